import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

async function serverFilesWith(pattern: RegExp): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const file of glob(['server/**/*.ts', 'lib/**/*.ts'], { cwd: ROOT })) {
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

/** What makes the small servers; those that call it bound them. */
const PLAIN = 'lib/http/plain-server.ts';

test('every listener bounds its connections', async () => {
  const listeners = await serverFilesWith(/\bcreate(?:Plain)?Server\(/);
  const bounded = await serverFilesWith(/\bgate\.admit\(|\.maxConnections = /);
  // The last listens for a moment to find out whether it may.
  assert.deepEqual(listeners, [...bounded, PLAIN, 'server/start-registry.ts'].sort());
});

test('every server that answers writes the answers that Node would write, with the common headers', async () => {
  const servers = (await serverFilesWith(/\bcreateServer\(/)).filter(
    (file) => file !== 'server/start-registry.ts',
  );
  const careful = await serverFilesWith(/requireHostHeader: false.*'clientError'/s);
  assert.deepEqual(servers, careful);
  assert.deepEqual(careful, await serverFilesWith(/'checkContinue'.*'checkExpectation'/s));
});

test('lists of the Engine API are answered item by item', async () => {
  const whole: string[] = [];
  for await (const file of glob('runtime-agent/engine-api/routes/*.ts', { cwd: ROOT })) {
    const text = await readFile(join(ROOT, file), 'utf8');
    if (/ctx\.body = [^;]*\.map\(/.test(text)) whole.push(file);
  }
  // IDs of removed caches, the history of one image, and one page of a search.
  assert.deepEqual(
    whole.sort(),
    ['build-prune', 'images', 'registry-queries'].map((name) => `runtime-agent/engine-api/routes/${name}.ts`),
  );
});
