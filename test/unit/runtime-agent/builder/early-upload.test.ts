import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import type { RegistryCredentials } from '../../../../oci/distribution/credentials/registry-credentials.ts';
import { parseImageReference } from '../../../../oci/reference.ts';
import {
  EarlyUpload,
  type EarlyUploadOptions,
} from '../../../../runtime-agent/builder/execute/early-upload.ts';

const LAYERS = ['a', 'b', 'c'].map((letter): Digest => `sha256:${letter.repeat(64)}`);
const LOGIN = { username: 'ada', password: 'secret' };

describe('uploads beside the steps of a build', () => {
  function uploadTo(names: readonly string[], send: EarlyUploadOptions['transfer']['send']) {
    const events: string[] = [];
    const ended = new AbortController();
    const upload = new EarlyUpload({
      transfer: {
        send: async (diffIds, target, credentials, ...rest) => {
          events.push(`${credentials?.username} ${target.registry}/${target.repository} ${diffIds}`);
          return await send(diffIds, target, credentials, ...rest);
        },
      },
      source: {
        credentials: async (registry): Promise<RegistryCredentials | undefined> => {
          events.push(`login ${registry}`);
          return registry === 'a.example' ? LOGIN : undefined;
        },
      },
      targets: names.map(parseImageReference),
      signal: ended.signal,
    });
    return { upload, events, ended };
  }

  test('credentials are asked for once, before the first upload', async () => {
    const { upload, events } = uploadTo(['a.example/team/app:1'], async () => new Map());
    await Promise.all(LAYERS.map((layer) => upload.upload(layer)));
    assert.deepEqual(events, [
      'login a.example',
      ...LAYERS.map((layer) => `ada a.example/team/app ${layer}`),
    ]);
  });

  test('a build that uploads nothing asks for no credentials', () => {
    assert.deepEqual(uploadTo(['a.example/team/app:1'], async () => new Map()).events, []);
  });

  test('each repository gets a layer once, whatever its tags', async () => {
    const names = ['a.example/team/app:1', 'a.example/team/app:2', 'b.example/app:1'];
    const { upload, events } = uploadTo(names, async () => new Map());
    await upload.upload(`sha256:${'a'.repeat(64)}`);
    assert.deepEqual(events.filter((event) => !event.startsWith('login')).sort(), [
      `ada a.example/team/app sha256:${'a'.repeat(64)}`,
      `undefined b.example/app sha256:${'a'.repeat(64)}`,
    ]);
  });

  test('a repository that has refused a layer gets no more, and others go on', async () => {
    const { upload, events } = uploadTo(['a.example/app:1', 'b.example/app:1'], async (_layers, target) => {
      if (target.registry === 'a.example') throw new Error('denied');
      return new Map();
    });
    for (const layer of LAYERS) await upload.upload(layer);
    const sent = (registry: string) => events.filter((event) => event.includes(` ${registry}/`)).length;
    assert.deepEqual([sent('a.example'), sent('b.example')], [1, LAYERS.length]);
  });

  test('the end of the build aborts uploads, and those that wait for a place', async () => {
    const { upload, events, ended } = uploadTo(
      ['a.example/app:1'],
      (_layers, _target, _credentials, _progress, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
    );
    const all = Array.from('0123456789', (digit) => upload.upload(`sha256:${digit.repeat(64)}`));
    await new Promise((resolve) => setImmediate(resolve));
    const begun = events.length;
    ended.abort(new Error('cancelled'));
    await Promise.all(all);
    assert.equal(events.length, begun);
    assert.ok(begun < 1 + all.length, 'some have waited');
  });
});
