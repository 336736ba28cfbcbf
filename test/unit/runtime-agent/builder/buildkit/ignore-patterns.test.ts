import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ignorePatterns } from '../../../../../runtime-agent/builder/buildkit/source/ignore-patterns.ts';

test('lines of an ignore file become patterns that clients take', () => {
  const lines = [
    '\uFEFFfirst',
    '# comment',
    '',
    '  spaced  ',
    '/rooted/',
    '!kept/./x',
    '! spaced',
    'a/../b',
    '/',
    '!',
    '**/*.o',
  ];
  assert.deepEqual(ignorePatterns(lines), [
    'first',
    'spaced',
    'rooted',
    '!kept/x',
    '!spaced',
    'b',
    '/',
    '**/*.o',
  ]);
});
