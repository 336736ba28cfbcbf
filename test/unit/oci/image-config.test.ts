import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManifestInvalidError } from '../../../oci/errors.ts';
import { readImageConfig } from '../../../oci/image-config.ts';
import { digestOf } from '../../support/content.ts';

const read = (value: unknown) => readImageConfig(Buffer.from(JSON.stringify(value)));
const minimal = {
  os: 'linux',
  architecture: 'amd64',
  rootfs: { type: 'layers', diff_ids: [digestOf('a'), digestOf('b')] },
};

test('a whole configuration', () => {
  const config = {
    User: '1000:1000',
    Env: ['PATH=/bin', 'EMPTY='],
    Entrypoint: ['/entry'],
    Cmd: [],
    WorkingDir: '/work',
    Labels: { a: 'b' },
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
    Shell: ['/bin/bash', '-c'],
    OnBuild: ['RUN x'],
    Healthcheck: { Test: ['CMD', 'true'], Interval: 30_000_000_000 },
  };
  const history = [
    { created: '2024-01-02T03:04:05Z', created_by: 'ADD x', author: 'me', comment: 'c' },
    { created_by: 'ENV', empty_layer: true },
  ];
  assert.deepEqual(
    read({
      ...minimal,
      variant: 'v2',
      created: '2024-01-02T03:04:05Z',
      author: 'me',
      config,
      history,
      docker_version: 'x',
    }),
    {
      os: 'linux',
      architecture: 'amd64',
      variant: 'v2',
      created: '2024-01-02T03:04:05Z',
      author: 'me',
      config,
      diffIds: minimal.rootfs.diff_ids,
      history,
    },
  );
});

test('what is null or missing is absent', () => {
  assert.deepEqual(read(minimal), {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    diffIds: minimal.rootfs.diff_ids,
    history: [],
  });
  const nulls = {
    Env: null,
    Cmd: null,
    Entrypoint: null,
    Labels: null,
    Volumes: { '/x': null },
    Healthcheck: null,
  };
  assert.deepEqual(read({ ...minimal, config: nulls, history: null }).config, { Volumes: { '/x': {} } });
  assert.deepEqual(read({ ...minimal, config: null }).config, {});
  assert.deepEqual(read({ ...minimal, rootfs: { type: 'layers', diff_ids: null } }).diffIds, []);
});

test('what is malformed is named', () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ os: '' }, /"os" is missing/],
    [{ architecture: undefined }, /"architecture" is missing/],
    [{ os: 1 }, /"os" must be a string/],
    [{ rootfs: undefined }, /"rootfs" is missing/],
    [{ rootfs: { type: 'other', diff_ids: [] } }, /"rootfs.type" must be "layers"/],
    [{ rootfs: { type: 'layers', diff_ids: ['sha256:abc'] } }, /diff_ids\[0\] is not a digest/],
    [{ rootfs: { type: 'layers', diff_ids: 'x' } }, /"diff_ids" must be an array/],
    [{ config: [] }, /"config" must be an object/],
    [{ config: { Env: 'A=b' } }, /config: "Env" must be an array/],
    [{ config: { Cmd: [1] } }, /config: "Cmd" must contain only strings/],
    [{ config: { Labels: { a: 1 } } }, /values of "Labels"/],
    [{ config: { User: 0 } }, /"User" must be a string/],
    [{ history: [1] }, /history\[0\] must be an object/],
    [{ history: [{ empty_layer: 'yes' }] }, /"empty_layer" must be true or false/],
  ];
  for (const [change, message] of refusals) {
    assert.throws(
      () => read({ ...minimal, ...change }),
      (error) => error instanceof ManifestInvalidError && message.test(error.message),
      JSON.stringify(change),
    );
  }
  assert.throws(() => readImageConfig(Buffer.from('no')), ManifestInvalidError);
});
