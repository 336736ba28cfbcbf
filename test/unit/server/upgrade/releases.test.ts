import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DATABASE_STEPS, RELEASES } from '../../../../server/upgrade/releases.ts';

test('the last release is this version, with all steps', () => {
  const file = join(import.meta.dirname, '../../../../package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8'));
  const last = DATABASE_STEPS.map(({ steps }) => steps.at(-1)?.name);
  assert.deepEqual(Object.entries(RELEASES).at(-1), [version, { catalog: last[0], accounts: last[1] }]);
});

test('each release names steps that exist', () => {
  const names = DATABASE_STEPS.map(({ steps }) => steps.map(({ name }) => name));
  for (const { catalog, accounts } of Object.values(RELEASES)) {
    assert.ok(names[0]?.includes(catalog), catalog);
    assert.ok(names[1]?.includes(accounts), accounts);
  }
});
