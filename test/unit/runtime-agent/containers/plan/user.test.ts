import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveUser } from '../../../../../runtime-agent/containers/plan/user.ts';

const FILES = {
  passwd:
    '# accounts\nroot:x:0:0:root:/root:/bin/sh\n\nsailor:x:1000:100:A Sailor:/home/sailor:/bin/sh\n7:x:70:71::/seven:\nbroken\nbad:x:NaN:1::/:\n',
  group: 'root:x:0:\nwheel:x:10:root,other\ncrew:x:2000:sailor,\ndeck:x:2001:other,sailor\n2001:x:5:\n',
};

describe('resolveUser', () => {
  const cases: readonly (readonly [string, readonly string[], object])[] = [
    ['', [], { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root' }],
    ['sailor', [], { uid: 1000, gid: 100, additionalGids: [100, 2000, 2001], home: '/home/sailor' }],
    ['1000', [], { uid: 1000, gid: 100, additionalGids: [100, 2000, 2001], home: '/home/sailor' }],
    ['sailor:wheel', [], { uid: 1000, gid: 10, additionalGids: [10], home: '/home/sailor' }],
    [
      'sailor:77',
      ['crew', '88'],
      { uid: 1000, gid: 77, additionalGids: [77, 2000, 88], home: '/home/sailor' },
    ],
    ['5000', [], { uid: 5000, gid: 0, additionalGids: [0], home: '/' }],
    [':wheel', [], { uid: 0, gid: 10, additionalGids: [10], home: '/root' }],
    // Names go before numbers, as with Docker.
    ['7', [], { uid: 70, gid: 71, additionalGids: [71], home: '/seven' }],
    ['0:2001', [], { uid: 0, gid: 5, additionalGids: [5], home: '/root' }],
  ];
  for (const [user, groups, expected] of cases) {
    it(`resolves "${user}" with [${groups}]`, () => {
      assert.deepEqual(resolveUser(user, groups, FILES), expected);
    });
  }

  it('takes numbers where the image has no files', () => {
    assert.deepEqual(resolveUser('12:34', [], { passwd: '', group: '' }), {
      uid: 12,
      gid: 34,
      additionalGids: [34],
      home: '/',
    });
  });

  it('refuses names that are not there and numbers out of range', () => {
    const refuse = (user: string, groups: readonly string[], message: RegExp) =>
      assert.throws(() => resolveUser(user, groups, FILES), { code: 'bad-request', message });
    refuse('nobody', [], /unable to find user nobody: no matching entries in passwd file/);
    refuse('bad', [], /unable to find user bad/);
    refuse('0:nogroup', [], /unable to find group nogroup/);
    refuse('', ['nogroup'], /Unable to find group nogroup/);
    refuse('4294967296', [], /range/);
    refuse('-1', [], /range/);
  });
});
