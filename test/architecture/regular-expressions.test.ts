import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { riskyExpressions } from './regular-expressions.ts';

const root = dirname(dirname(import.meta.dirname));

test('no input of a client becomes a RegExp, and no regular expression backtracks', () => {
  const files = globSync('{lib,oci,storage,auth,fleet,server,runtime-agent,deploy}/**/*.{ts,js}', {
    cwd: root,
  });
  assert.ok(files.length > 500, `only ${files.length} files were found`);
  const risky = files.flatMap((file) => riskyExpressions(file, readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(risky, []);
});

for (const [source, expected] of [
  ['const a = new RegExp(pattern);', /makes a RegExp/],
  ['const a = RegExp(pattern);', /makes a RegExp/],
  ['text.match(pattern);', /match\(\) makes/],
  ['text.matchAll(`^` + pattern);', /matchAll\(\) makes/],
  ['text.search(query.pattern);', /search\(\) makes/],
  ['const a = /(a+)+!/;', /exponential/],
  ['const a = /^\\s*(.*?)\\s*$/;', /quadratic/],
  ['const a = text.replace(/0+$/, "");', /quadratic/],
] as const) {
  test(`forbidden: ${source}`, () => {
    const [sentence = ''] = riskyExpressions('storage/a.ts', source);
    assert.match(sentence, expected);
    assert.match(sentence, /^storage\/a\.ts:1: /);
  });
}

for (const source of [
  'text.match(/^a+b/);',
  'text.matchAll(FIELDS);',
  'const a = RegExp.escape(text);',
  'const a = /(\\d+)(m|s)/gy;',
  'const found: RegExp | undefined = undefined;',
]) {
  test(`allowed: ${source}`, () => assert.deepEqual(riskyExpressions('storage/a.ts', source), []));
}
