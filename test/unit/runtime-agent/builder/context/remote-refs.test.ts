import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { meantRef } from '../../../../../runtime-agent/builder/context/git/fetch-commit.ts';

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string];

describe('the ref of a repository that is meant', () => {
  for (const [what, listed, ref, found] of [
    ['HEAD', `ref: refs/heads/main\tHEAD\n${A}\tHEAD`, undefined, { name: 'refs/heads/main', object: A }],
    ['a HEAD that is no branch', `${A}\tHEAD`, undefined, { name: undefined, object: A }],
    [
      'a branch rather than a tag',
      `${A}\trefs/heads/x\n${B}\trefs/tags/x`,
      'x',
      { name: 'refs/heads/x', object: A },
    ],
    ['a tag', `${B}\trefs/tags/x\n${C}\trefs/heads/deep/x`, 'x', { name: 'refs/tags/x', object: B }],
    [
      'a whole name',
      `${B}\trefs/tags/x\n${A}\trefs/heads/x`,
      'refs/tags/x',
      { name: 'refs/tags/x', object: B },
    ],
    ['another kind of ref', `${C}\trefs/pull/1/head`, 'pull/1/head', { name: 'refs/pull/1/head', object: C }],
    ['the end of a longer name is none', `${C}\trefs/heads/deep/x`, 'x', undefined],
    ['nothing', '', undefined, undefined],
  ] as const) {
    test(what, () => assert.deepEqual(meantRef(listed, ref), found));
  }
});
