import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { expectError } from '../support/registry-error.ts';

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
