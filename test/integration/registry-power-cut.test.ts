import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { glob, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasJournalRecords } from '../../storage/blobs/filesystem/journal/replay-journals.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { runBerth } from '../support/berth-command.ts';
import { createRegistryClient, digestOf, type TestImage } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const LARGE = Buffer.alloc(100_000, 'large ');
const IMAGES = 12;

/** A registry that has lost power after pushes: of the files that nobody has synced some are gone, others empty. */
async function loseUnsynced(t: TestContext) {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const list = () => Array.fromAsync(glob('blobs/*/*/*', { cwd: server.dataDir }));
  // What comes before there is a journal is synced by itself.
  await waitUntil('there is a journal', async () => {
    await registry.pushBlob('team/app', randomUUID());
    return hasJournalRecords(server.dataDir);
  });
  const before = new Set(await list());
  const tags = Array.from({ length: IMAGES }, (_, index) => `v${index}`);
  const images = new Map<string, TestImage>();
  const push = async (tag: string) => images.set(tag, await registry.pushImage('team/app', tag));
  await Promise.all([...tags.map(push), registry.pushBlob('team/app', LARGE)]);
  await server.kill();
  let lost = 0;
  for (const path of await list()) {
    const file = join(server.dataDir, path);
    if (before.has(path) || (await stat(file)).size === LARGE.length) continue;
    lost += 1;
    await (lost % 2 === 0 ? rm(file) : truncate(file));
  }
  assert.equal(lost, 3 * IMAGES);
  const checkAll = async () => {
    for (const [tag, { bytes, manifest }] of images) {
      assert.deepEqual((await registry.send('GET', `/v2/team/app/manifests/${tag}`)).body, bytes);
      for (const { digest } of [manifest.config, ...manifest.layers]) {
        const { body } = await registry.send('GET', `/v2/team/app/blobs/${digest}`);
        assert.equal(digestOf(body), digest);
      }
    }
    assert.equal((await registry.send('HEAD', `/v2/team/app/blobs/${digestOf(LARGE)}`)).status, 200);
  };
  const fsck = () => runBerth('fsck', '--data', server.dataDir);
  return { server, registry, count: before.size + 3 * IMAGES + 1, checkAll, fsck };
}

test('a power cut takes no blob that was answered', async (t) => {
  const { server, registry, checkAll, fsck } = await loseUnsynced(t);
  await server.restart();
  await checkAll();
  const { exitCode, stdout } = await fsck();
  assert.equal(exitCode, 0, stdout);
  await registry.pushImage('team/app', 'later');
  await server.restart();
  await checkAll();
});

test('fsck finds what a power cut has taken, before the registry starts', async (t) => {
  const { server, count, checkAll, fsck } = await loseUnsynced(t);
  const { exitCode, stdout } = await fsck();
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, new RegExp(`^checked ${count} blobs`));
  await server.restart();
  await checkAll();
});

test('a rebuild of the catalog finds it too', async (t) => {
  const { server, count } = await loseUnsynced(t);
  await rm(join(server.dataDir, 'catalog.sqlite'));
  const { stdout } = await runBerth('catalog', 'rebuild', '--data', server.dataDir);
  assert.match(stdout, new RegExp(`rebuilt from ${count} blobs: `));
});

test('Range claims nothing of an upload that a power cut may have taken', async (t) => {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const location = await registry.begin('team/app');
  assert.equal((await registry.send('PATCH', location, { body: LARGE })).status, 202);
  await server.kill();
  const knex = await openDatabase({ file: join(server.dataDir, 'catalog.sqlite') });
  const [upload] = await knex('uploads').update({ detail: 'another-run-of-the-kernel 0' }).returning('id');
  await knex.destroy();
  await writeFile(join(server.dataDir, 'uploads', upload.id), Buffer.alloc(LARGE.length));
  await server.restart();
  assert.equal((await registry.send('GET', location)).headers.range, '0-0');
  const headers = { 'Content-Range': `${LARGE.length}-${LARGE.length}` };
  const stale = await registry.send('PATCH', location, { body: 'x', headers });
  assert.equal(stale.status, 416);
  assert.equal((await registry.send('PATCH', location, { body: LARGE })).status, 202);
  assert.equal((await registry.send('PUT', `${location}?digest=${digestOf(LARGE)}`)).status, 201);
});
