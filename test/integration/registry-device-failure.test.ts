import assert from 'node:assert/strict';
import fs from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

test('a registry whose device has failed to sync is not ready any more and asks to be ended', async (t) => {
  const failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  const { fdatasync } = fs;
  let works = true;
  t.mock.method(fs, 'fdatasync', (descriptor: number, done: (error: Error | null) => void) =>
    works ? fdatasync(descriptor, done) : done(failure),
  );
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const registry = await startInProcessRegistry(t);
  await registry.pushImage('team/app', '1');
  assert.equal((await registry.send('GET', '/readyz')).status, 200);
  works = false;
  expectError(await registry.send('DELETE', '/v2/team/app/manifests/1'), 500, 'UNKNOWN');
  works = true;
  expectError(await registry.send('DELETE', '/v2/team/app/manifests/1'), 500, 'UNKNOWN');
  assert.equal((await registry.send('GET', '/readyz')).status, 503);
  assert.equal(await registry.deviceFailure, failure);
});

test('berth serve ends with exit code 1 after a failed sync', async (t) => {
  const folder = await makeTempDir(t, 'failing-sync');
  const flag = join(folder, 'fails');
  await writeFile(
    join(folder, 'preload.mjs'),
    `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { fdatasync } = fs;
    const failure = Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
    fs.fdatasync = (file, done) =>
      fs.existsSync(${JSON.stringify(flag)}) ? done(failure) : fdatasync(file, done);
    syncBuiltinESMExports();`,
  );
  const registry = await startRegistry(t, {
    env: { NODE_OPTIONS: `--import=${join(folder, 'preload.mjs')}` },
  });
  const client = createRegistryClient(registry.url);
  await client.pushImage('team/app', '1');
  await writeFile(flag, '');
  assert.equal((await client.send('DELETE', '/v2/team/app/manifests/1')).status, 500);
  const exit = await registry.process().exited;
  assert.deepEqual(exit, { code: 1, signal: null });
  assert.match(registry.process().output(), /the device failed to store data/);
});
