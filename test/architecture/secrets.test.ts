import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(dirname(import.meta.dirname));
const sources = globSync('{lib,oci,server,storage,auth,runtime-agent,deploy}/**/*.ts', { cwd: root }).map(
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

test('files are made by one module, for their owner alone', () => {
  const made =
    /\b(?:writeFile|writeFileSync|appendFile|appendFileSync|copyFile|copyFileSync|createWriteStream|cp|cpSync)\b[^;]*from 'node:fs|\bopen(?:Sync)?\([^;]*(?:'(?:a|w)x?\+?'|O_CREAT)|\bvacuum into\b/;
  const allowed = [
    'lib/files/private-file.ts',
    // Makes the file by that module first: SQLite leaves an empty one as it is.
    'storage/backup/catalog-file.ts',
    // Empty.
    'lib/linux/file-lock.ts',
    // The times at which the watchdog has ended the process.
    'lib/watchdog/watch-worker.ts',
    // The agent's, as root: files of the kernel, and files that are there already.
    'lib/linux/cgroups/cgroups.ts',
    'lib/linux/mount/held-path.ts',
    'lib/linux/mount/mount-namespace.ts',
  ];
  const files = filesWith(made).filter((file) => /^(?:lib|server|storage|auth)\//.test(file));
  assert.deepEqual(
    files.filter((file) => !allowed.includes(file)),
    [],
  );
});
