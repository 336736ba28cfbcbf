import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

async function serverFilesWith(pattern: RegExp): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const file of glob('server/**/*.ts', { cwd: ROOT })) {
    if (pattern.test(await readFile(join(ROOT, file), 'utf8'))) found.push(file);
  }
  return found.sort();
}

test('bodies that are read whole are read in the memory that all of them share', async () => {
  assert.deepEqual(await serverFilesWith(/\b(?:requestBody|wholeBody)\(/), [
    'server/body-memory.ts',
    'server/http/request-body.ts',
    // Of any length: it goes on to the storage as it comes.
    'server/registry/upload-body.ts',
  ]);
});

test('every listener bounds its connections', async () => {
  const listeners = await serverFilesWith(/\bcreateServer\(/);
  const bounded = await serverFilesWith(/\bgate\.admit\(|\.maxConnections = /);
  // It listens for a moment to find out whether it may.
  assert.deepEqual(listeners, [...bounded, 'server/on-address.ts'].sort());
});
