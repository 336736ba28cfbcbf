import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const folder = import.meta.dirname;

/** The rows of the table in README.md: which file, and how the test's name begins. */
async function readRules(): Promise<readonly { readonly file: string; readonly title: string }[]> {
  const text = await readFile(join(folder, 'README.md'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => {
      const [, , , file = '', title = ''] = line.split('|').map((cell) => cell.trim());
      return { file, title };
    });
}

/** What follows `test(` in a source, without its quote. */
function titlesOf(source: string): readonly string[] {
  return [...source.matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map(([, , title = '']) =>
    title.replace(/\\(.)/g, '$1'),
  );
}

test('each rule of README.md has its test, and each test its rule', async () => {
  const rules = await readRules();
  assert.ok(rules.length > 50);
  for (const { file, title } of rules) {
    const titles = titlesOf(await readFile(join(folder, `${file}.test.ts`), 'utf8'));
    assert.ok(title !== '' && titles.some((known) => known.startsWith(title)), `${file}: ${title}`);
  }
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.test.ts') || ['rules.test.ts', 'replicas.test.ts'].includes(file)) continue;
    for (const title of titlesOf(await readFile(join(folder, file), 'utf8'))) {
      const listed = rules.some((rule) => `${rule.file}.test.ts` === file && title.startsWith(rule.title));
      assert.ok(listed, `${file}: "${title}" is not in README.md`);
    }
  }
});
