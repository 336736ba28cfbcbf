import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Pace } from '../../../../lib/sync/pace.ts';
import { ignoreLines, ignoreRules } from '../../../../runtime-agent/builder/context/ignore-rules.ts';

const excludes = (text: string, path: string) => ignoreRules(ignoreLines(text)).excludes(path, new Pace());

describe('.dockerignore', () => {
  for (const [text, out, kept] of [
    ['*.md', ['a.md'], ['a.txt', 'd/a.md']],
    ['**/*.md', ['a.md', 'd/a.md', 'd/e/a.md'], ['a.mdx']],
    ['d', ['d', 'd/a', 'd/e/f'], ['dd', 'e/d']],
    ['/d/', ['d/a'], ['e']],
    ['d/**', ['d/a', 'd/b/c'], ['d', 'x/d/a']],
    ['**/node_modules', ['node_modules/a', 'x/node_modules/b'], ['node_modules2']],
    ['*/temp*', ['a/temp', 'a/temp2/x'], ['temp', 'a/b/temp']],
    ['temp?', ['temp1'], ['temp', 'temp12']],
    ['[ab].txt', ['a.txt', 'b.txt'], ['c.txt']],
    ['[^ab].txt', ['c.txt'], ['a.txt']],
    ['*\n!keep', ['x', 'd/y'], ['keep', 'keep/z']],
    ['*.md\n!README.md', ['a.md'], ['README.md']],
    ['*.md\n!README*.md\nREADME-secret.md', ['README-secret.md', 'x.md'], ['README.md']],
    ['# *.md\n\n  x  \n', ['x'], ['a.md']],
    ['./a/../b', ['b'], ['a']],
    ['a\\*b', ['a*b'], ['axb']],
    // As moby's patternmatcher 0.6.0 has it.
    ['**tar', ['tar', 'a.tar', 'd/xtar', 'd/xtar/y'], ['tar.gz']],
    ['**/tar', ['tar', 'd/tar'], ['a.tar']],
    ['**^a', ['^a', 'x^a'], ['a']],
    ['\\a.tar', [], ['a.tar', '\\a.tar']],
    ['\\d.tar', ['1.tar'], ['d.tar']],
    ['^a*', ['a.tar'], ['^a', '^ab']],
    ['a|b*', ['a', 'axyz', 'a|b', 'd/b'], ['d', 'c/x']],
    ['?{2}', ['ab'], ['a', 'a{2}']],
    ['[*]', [], ['*', 'a']],
    ['[[:alpha:]]1', ['a1', 'z1'], ['11', ':]1']],
    ['d/**', ['d/a\nb'], ['d']],
    ['*/**', ['d/a'], ['d/a\nb']],
    ['/ a', ['a'], []],
    ['! a\nb', ['b'], ['a']],
    ['a\ufeff', ['a\ufeff'], ['a']],
    ['a\u0085', ['a'], []],
    ['a\n![d-a]', [], ['b']],
  ] as const) {
    test(JSON.stringify(text), async () => {
      for (const path of out) assert.equal(await excludes(text, path), true, `${path} is left out`);
      for (const path of kept) assert.equal(await excludes(text, path), false, `${path} stays`);
    });
  }

  test('lines are trimmed and their paths cleaned', () => {
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
    assert.deepEqual(ignoreLines(lines.join('\n')), [
      'first',
      'spaced',
      'rooted',
      '!kept/x',
      '!spaced',
      'b',
      '/',
      '!',
      '**/*.o',
    ]);
  });

  test('many rules let other work go on', async () => {
    const rules = ignoreRules(ignoreLines(`${'*a*a*a*b\n'.repeat(2000)}`));
    const pace = new Pace();
    assert.equal(await rules.excludes('a'.repeat(255), pace), false);
    assert.ok(pace.turns > 20, `${pace.turns} turns`);
  });

  test('a pattern that does not end is refused', () => {
    for (const pattern of ['[a-', '!']) {
      assert.throws(() => ignoreRules([pattern]), /syntax error in pattern/);
    }
  });
});
