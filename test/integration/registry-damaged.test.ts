import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { glob, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type InProcessRegistry, startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

async function fileOf(registry: InProcessRegistry, digest: string): Promise<string> {
  const hex = digest.split(':')[1];
  for await (const path of glob(`blobs/*/*/${hex}*`, { cwd: registry.data }))
    return join(registry.data, path);
  return assert.fail(`no file of ${digest}`);
}

const DAMAGES = {
  changed: async (path: string) => writeFile(path, (await readFile(path)).fill(0x78, 0, 1)),
  'cut off': async (path: string) => truncate(path, (await readFile(path)).length - 3),
  longer: async (path: string) => writeFile(path, 'more', { flag: 'a' }),
  lost: (path: string) => rm(path),
} as const;

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a manifest whose file is ${what} is not served, and the log says which one`, async (t) => {
    const first = await startInProcessRegistry(t);
    const { digest, bytes } = await first.pushImage('team/app', '1');
    await damage(await fileOf(first, digest));
    await first.stop();
    const registry = await startInProcessRegistry(t, { data: first.data });
    for (const reference of ['1', digest]) {
      const answer = await registry.send('GET', `/v2/team/app/manifests/${reference}`);
      if (what === 'lost') expectError(answer, 404, 'BLOB_UNKNOWN');
      else expectError(answer, 500, 'UNKNOWN');
    }
    const told = registry.logged.filter((line) => JSON.parse(line).level >= 50).join('');
    assert.equal(told.includes(digest), what !== 'lost', told);
    // Whoever pushes it again brings it back, where fsck or its loss have made room.
    if (what !== 'lost') return;
    const headers = { 'Content-Type': OCI_MANIFEST };
    const pushed = await registry.send('PUT', '/v2/team/app/manifests/1', { body: bytes, headers });
    assert.equal(pushed.status, 201);
    assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, bytes);
  });

  for (const size of [1000, 3_000_000]) {
    test(`a blob of ${size} bytes whose file is ${what} is nothing that a client takes for good`, async (t) => {
      const registry = await startInProcessRegistry(t);
      const { digest } = await registry.pushBlob('team/app', randomBytes(size));
      await damage(await fileOf(registry, digest));
      const answer = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
      if (what === 'lost') expectError(answer, 404, 'BLOB_UNKNOWN');
      else if (what !== 'changed') expectError(answer, 500, 'UNKNOWN');
      else {
        assert.equal(answer.headers['docker-content-digest'], digest);
        assert.notEqual(digestOf(answer.body), digest);
      }
      assert.equal((await registry.send('GET', '/v2/')).status, 200);
    });
  }
}
