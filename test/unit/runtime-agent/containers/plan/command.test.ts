import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandLine, mergeImageConfig } from '../../../../../runtime-agent/containers/plan/process.ts';
import { containerConfig } from '../../../../support/container-requests.ts';

const IMAGE = { Entrypoint: ['/entry'], Cmd: ['one', 'two'], Env: ['PATH=/bin', 'A=image'] };

describe('mergeImageConfig', () => {
  const cases: readonly (readonly [string, object, object, readonly string[]])[] = [
    ['uses both of the image', {}, IMAGE, ['/entry', 'one', 'two']],
    ['replaces the command', { Cmd: ['mine'] }, IMAGE, ['/entry', 'mine']],
    ['drops the command of the image with its entrypoint', { Entrypoint: ['/mine'] }, IMAGE, ['/mine']],
    ['takes both from the user', { Entrypoint: ['/mine'], Cmd: ['x'] }, IMAGE, ['/mine', 'x']],
    ['clears the entrypoint', { Entrypoint: [''], Cmd: ['x', 'y'] }, IMAGE, ['x', 'y']],
    ['takes an empty entrypoint for none given', { Entrypoint: [] }, IMAGE, ['one', 'two']],
    ['runs the command alone where the image has no entrypoint', {}, { Cmd: ['sh'] }, ['sh']],
  ];
  for (const [what, config, image, expected] of cases) {
    it(what, () => {
      const { path, args } = commandLine(mergeImageConfig(containerConfig([], config), image));
      assert.deepEqual([path, ...args], expected);
    });
  }

  it('shows a port once, whether its protocol is given or not', () => {
    const merged = mergeImageConfig(containerConfig([], { ExposedPorts: { '80': {}, '53/UDP': {} } }), {
      ...IMAGE,
      ExposedPorts: { '80/tcp': {}, '81': {} },
    });
    assert.deepEqual(merged.ExposedPorts, { '80/tcp': {}, '81/tcp': {}, '53/udp': {} });
  });

  it('refuses a container without a command', () => {
    for (const [config, image] of [
      [{}, {}],
      [{ Entrypoint: [''] }, { ...IMAGE }],
    ] as const) {
      const merged = mergeImageConfig(containerConfig([], { ...config, Cmd: null }), { ...image, Cmd: null });
      assert.throws(() => commandLine(merged), { code: 'bad-request', message: 'no command specified' });
    }
  });

  it('puts the variables of the image after those of the user, where those are not set', () => {
    const { Env } = mergeImageConfig(containerConfig([], { Env: ['B=1', 'A=mine'] }), IMAGE);
    assert.deepEqual(Env, ['B=1', 'A=mine', 'PATH=/bin']);
    assert.deepEqual(mergeImageConfig(containerConfig([], { Env: ['A'] }), IMAGE).Env, ['A', 'PATH=/bin']);
  });

  it('inherits user, folder, signal, labels, ports and volumes', () => {
    const image = {
      ...IMAGE,
      User: 'app',
      WorkingDir: '/srv',
      StopSignal: 'SIGQUIT',
      Labels: { a: 'image', b: 'image' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
    };
    const merged = mergeImageConfig(
      containerConfig([], { Labels: { a: 'mine' }, ExposedPorts: { '81/tcp': {} } }),
      image,
    );
    assert.deepEqual(
      [merged.User, merged.WorkingDir, merged.StopSignal, merged.Labels, merged.ExposedPorts, merged.Volumes],
      ['app', '/srv', 'SIGQUIT', { a: 'mine', b: 'image' }, { '80/tcp': {}, '81/tcp': {} }, { '/data': {} }],
    );
    const own = mergeImageConfig(
      containerConfig([], { User: '5', WorkingDir: '/w', StopSignal: 'INT' }),
      image,
    );
    assert.deepEqual([own.User, own.WorkingDir, own.StopSignal], ['5', '/w', 'INT']);
  });
});
