import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePathInTree } from '../../../../runtime-agent/snapshots/diff/look-up.ts';

test('paths are taken apart as docker cp means them', () => {
  const cases: Readonly<Record<string, readonly [parent: string, name: string, shown: string]>> = {
    '/': ['', '', '/'],
    '': ['', '', '/'],
    '/etc': ['', 'etc', 'etc'],
    'etc/passwd': ['etc', 'passwd', 'passwd'],
    '/etc/': ['etc', '', 'etc'],
    '/etc/.': ['etc', '', '.'],
    '/a//b/../c': ['a', 'c', 'c'],
    '/../../etc/passwd': ['etc', 'passwd', 'passwd'],
    '/a/..': ['', '', '/'],
    '.': ['', '', '.'],
    './': ['', '', '.'],
    '/./': ['', '', '.'],
    '/etc/.//': ['etc', '', '.'],
    '/a/../.': ['', '', '.'],
  };
  for (const [text, [parent, name, shown]] of Object.entries(cases)) {
    assert.deepEqual(parsePathInTree(text), { parent, name, shown }, text);
  }
});
