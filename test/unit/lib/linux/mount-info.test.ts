import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMountInfo } from '../../../../lib/linux/mount/mount.ts';

describe('parseMountInfo', () => {
  it('reads entries with and without optional fields, and undoes escapes', () => {
    const text = [
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
      '36 27 0:33 /sub\\040dir /mnt/a\\011b\\134c\\012d ro,nodev shared:1 master:2 - tmpfs odd\\040name rw,size=1k',
      '',
    ].join('\n');
    assert.deepEqual(parseMountInfo(text), [
      {
        id: 27,
        parentId: 1,
        root: '/',
        mountPoint: '/',
        options: ['rw', 'relatime'],
        isShared: false,
        isSlave: false,
        type: 'ext4',
        source: '/dev/vda',
        superOptions: 'rw,discard',
      },
      {
        id: 36,
        parentId: 27,
        root: '/sub dir',
        mountPoint: '/mnt/a\tb\\c\nd',
        options: ['ro', 'nodev'],
        isShared: true,
        isSlave: true,
        type: 'tmpfs',
        source: 'odd name',
        superOptions: 'rw,size=1k',
      },
    ]);
  });

  it('leaves out what is cut off', () => {
    assert.deepEqual(parseMountInfo('27 1 254:0\n27 1 254:0 / - '), []);
  });
});
