import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));
const sources = globSync('{lib,server,storage,auth,runtime-agent,deploy}/**/*.ts', { cwd: root }).map(
  (file) => ({
    file,
    text: readFileSync(join(root, file), 'utf8'),
  }),
);

function filesWith(pattern: RegExp): readonly string[] {
  return sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);
}

test('passwords are hashed in threads of their own, by one gate', () => {
  assert.deepEqual(filesWith(/\bargon2(?:Sync)?\(/), ['auth/passwords/argon2-worker.ts']);
  assert.deepEqual(filesWith(/argon2-worker\.ts'/), ['auth/passwords/password-hasher.ts']);
  assert.deepEqual(filesWith(/\b(?:scrypt|pbkdf2)(?:Sync)?\(/), []);
});
