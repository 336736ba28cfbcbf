import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMountOptions } from '../../../../runtime-agent/volumes/mount-options.ts';
import {
  checkVolumeName,
  checkVolumeOptions,
  volumePlace,
} from '../../../../runtime-agent/volumes/volume-options.ts';

describe('the options of a volume', () => {
  it('put it in its own folder, in one of the host, or in a file system', () => {
    assert.deepEqual(volumePlace({}), { kind: 'own' });
    assert.deepEqual(volumePlace({ type: 'none', o: 'bind,rw', device: '/srv' }), {
      kind: 'folder',
      folder: '/srv',
    });
    // As volumes of earlier agents may have it.
    assert.equal(volumePlace({ o: 'bind', device: '/srv' }).kind, 'folder');
    assert.equal(volumePlace({ type: 'none', o: 'bind,ro', device: '/srv' }).kind, 'mount');
    assert.deepEqual(volumePlace({ type: 'nfs', o: 'addr=192.0.2.1,rw', device: ':/data' }), {
      kind: 'mount',
      type: 'nfs',
      options: 'addr=192.0.2.1,rw',
      device: ':/data',
    });
  });

  for (const [options, message] of [
    [{ nosuch: '1' }, 'create v1: invalid option: "nosuch"'],
    [{ size: '1g' }, 'create v1: invalid option: "size"'],
    [{ o: 'size=1m' }, 'create v1: missing required option: "device"'],
    [{ type: 'tmpfs' }, 'create v1: missing required option: "device"'],
    [{ device: '/dev/sdb1' }, 'create v1: missing required option: "type"'],
    [{ o: 'bind', device: 'srv' }, 'create v1: the option device must name a folder by its absolute path'],
    [{ type: 'ext4', device: 'a\0b' }, 'create v1: an option contains a zero byte'],
  ] as const) {
    it(`refuses ${JSON.stringify(options)}`, () =>
      assert.throws(() => checkVolumeOptions('v1', options), { code: 'bad-request', message }));
  }

  it('are taken apart for mount(2)', () => {
    assert.deepEqual(parseMountOptions('size=1m,ro,nosuid,rbind,uid=7'), {
      flags: ['ro', 'nosuid', 'bind', 'recursive'],
      data: 'size=1m,uid=7',
    });
    assert.deepEqual(parseMountOptions('ro,defaults,,rw,toString'), { flags: [], data: 'toString' });
    assert.deepEqual(parseMountOptions(''), { flags: [], data: '' });
  });
});

it('names of volumes have at least two characters', () => {
  assert.throws(() => checkVolumeName('x'), {
    code: 'bad-request',
    message: /^create x: volume name is too short/,
  });
  assert.throws(() => checkVolumeName('a/b'), {
    code: 'bad-request',
    message: /includes invalid characters/,
  });
  checkVolumeName('x1');
});
