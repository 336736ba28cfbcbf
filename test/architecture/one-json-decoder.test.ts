import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));

test("JSON of clients of the Engine API is read by lib/json alone, by Go's rules", () => {
  const offences = globSync('runtime-agent/engine-api/**/*.ts', { cwd: root }).filter((file) =>
    /\bJSON\s*\.\s*parse\b/.test(readFileSync(join(root, file), 'utf8')),
  );
  assert.deepEqual(offences, []);
});
