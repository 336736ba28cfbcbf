import assert from 'node:assert/strict';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { runBerth } from '../support/berth-command.ts';
import { createRegistryClient, OCI_INDEX } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';

async function withImage(t: TestContext) {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const image = await registry.pushImage('team/app', '1');
  const blobs = new BlobStore(await openFilesystemDriver(server.dataDir));
  const fileOf = async (digest: string) => {
    const [copy] = await blobs.copies(parseDigest(digest));
    return join(server.dataDir, copy?.location ?? assert.fail(`${digest} has no file`));
  };
  const fsck = (...args: readonly string[]) => runBerth('fsck', '--data', server.dataDir, ...args);
  return { server, registry, image, layer: image.manifest.layers[0]?.digest ?? '', fileOf, fsck };
}

const sql = async (dataDir: string, statement: string) => {
  const knex = await openDatabase({ file: join(dataDir, 'catalog.sqlite') });
  try {
    await knex.raw('pragma foreign_keys = off');
    await knex.raw(statement);
  } finally {
    await knex.destroy();
  }
};

test('a sound registry is clean, beside the server and without it', async (t) => {
  const { server, registry, image, fsck } = await withImage(t);
  const member = { mediaType: image.manifest.mediaType, digest: image.digest, size: image.bytes.length };
  const sparse = { ...member, digest: `sha256:${'0'.repeat(64)}` };
  await registry.pushManifest(
    'team/app',
    'index',
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member, sparse] },
    OCI_INDEX,
  );
  for (const stop of [false, true]) {
    if (stop) await server.stop();
    const { exitCode, stdout } = await fsck();
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /^checked 4 blobs \(\d+ B\) and 2 manifests: clean\n$/);
  }
});

test('what it finds is JSON on demand, and so is what garbage collection takes', async (t) => {
  const { server, fsck } = await withImage(t);
  const clean = await fsck('--format', 'json');
  assert.equal(clean.exitCode, 0, clean.stderr);
  const { findings, summary } = JSON.parse(clean.stdout);
  assert.deepEqual(findings, []);
  assert.partialDeepStrictEqual(summary, { blobs: 3, manifests: 1, kept: 0 });
  await sql(server.dataDir, 'update quota_use set used = used + 1000');
  await sql(server.dataDir, 'update blobs set size = size + 1 where size = (select max(size) from blobs)');
  const damaged = await fsck('--format', 'jsonl');
  assert.equal(damaged.exitCode, 1, damaged.stderr);
  assert.equal(damaged.stderr, '');
  const lines = damaged.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ kind = 'summary' }) => kind),
    ['blob', 'summary'],
  );
  const whole = JSON.parse((await fsck('--format', 'json')).stdout);
  assert.deepEqual([...whole.findings, { summary: whole.summary }], lines);
  const dry = await runBerth('gc', '--dry-run', '--format', 'json', '--data', server.dataDir);
  assert.partialDeepStrictEqual(JSON.parse(dry.stdout), { dryRun: true, blobs: 0, bytes: 0 });
});

test('a quota that counts wrong is told of, and mended on demand', async (t) => {
  const { server, fsck } = await withImage(t);
  const quota = (...args: readonly string[]) => runBerth('quota', ...args, '--data', server.dataDir);
  await quota('set', 'team/*', '1GiB');
  const right = (await quota('list')).stdout;
  await sql(server.dataDir, 'update quota_use set used = used + 1000');
  const found = await fsck();
  assert.notEqual(found.exitCode, 0, found.stdout);
  const [, used = ''] = /^team\/\* {2}(\d+)/.exec(right) ?? [];
  assert.match(
    found.stdout,
    new RegExp(`the quota of team/\\* counts ${Number(used) + 1000} bytes, but there are ${used}`),
  );
  assert.notEqual((await quota('list')).stdout, right);
  const mended = await fsck('--repair');
  assert.equal(mended.exitCode, 0, mended.stdout);
  assert.equal((await quota('list')).stdout, right);
  assert.equal((await fsck()).exitCode, 0);
});

test('leftovers are told of and are no damage', async (t) => {
  const { server, fileOf, layer, fsck } = await withImage(t);
  const present = await fileOf(layer);
  await writeFile(present.replace(/[^.]+$/, crypto.randomUUID()), 'left');
  await writeFile(join(server.dataDir, 'uploads', crypto.randomUUID()), 'left');
  const { exitCode, stdout } = await fsck();
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /clean; 1 leftover files \(4 B\) and 1 leftover uploads/);
});

const damages = [
  ['changed', (path: string) => readFile(path).then((bytes) => writeFile(path, bytes.fill(0x78, 0, 1)))],
  ['cut off', (path: string) => truncate(path, 3)],
  ['lost', (path: string) => rm(path)],
] as const;

for (const [what, damage] of damages) {
  test(`a layer whose file is ${what} is found, set aside, and taken again from its pusher`, async (t) => {
    const { server, registry, fileOf, layer, fsck } = await withImage(t);
    const path = await fileOf(layer);
    await damage(path);
    const found = await fsck();
    assert.equal(found.exitCode, 1);
    assert.match(
      found.stdout,
      new RegExp(`^damaged: ${layer}: .*needed by team/app:1\n.*1 damaged, of which 0`),
    );
    assert.equal((await registry.send('HEAD', `/v2/team/app/blobs/${layer}`)).status, 200);

    const repaired = await fsck('--repair');
    assert.equal(repaired.exitCode, 1);
    assert.match(repaired.stdout, new RegExp(`set aside in quarantine/, push it again: ${layer}: `));
    assert.match(repaired.stdout, /damaged: team\/app@sha256:\w+ needs missing content/);
    assert.equal((await registry.send('HEAD', `/v2/team/app/blobs/${layer}`)).status, 404);
    const aside = what === 'lost' ? [] : [path.split('/').at(-1)];
    const folder = join(server.dataDir, 'quarantine');
    assert.deepEqual(what === 'lost' ? [] : await readdir(folder), aside);

    await registry.pushImage('team/app', '1');
    const after = await fsck();
    assert.equal(after.exitCode, 0, after.stdout);
    assert.match(after.stdout, /clean/);
  });
}

test('a damaged file of which there is an intact copy is mended', async (t) => {
  const { server, registry, image, fileOf, layer, fsck } = await withImage(t);
  const path = await fileOf(layer);
  await writeFile(path.replace(/[^.]+$/, crypto.randomUUID()), 'broken too');
  await writeFile(path.replace(/[^.]+$/, crypto.randomUUID()), await readFile(path));
  await truncate(path, 3);
  const { exitCode, stdout } = await fsck('--repair');
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, new RegExp(`^mended: ${layer}: .* needed by team/app:1\n`));
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${layer}`)).status, 200);
  assert.deepEqual((await registry.send('GET', '/v2/team/app/manifests/1')).body, image.bytes);
  assert.equal((await readdir(join(server.dataDir, 'quarantine'))).length, 1);
  assert.equal((await fsck()).exitCode, 0);
});

test('a push of the same content mends a file that was lost', async (t) => {
  const { registry, fileOf, layer, fsck } = await withImage(t);
  await rm(await fileOf(layer));
  assert.equal((await fsck()).exitCode, 1);
  await registry.pushImage('team/app', '1');
  const { exitCode, stdout } = await fsck();
  assert.equal(exitCode, 0, stdout);
});

test('a damaged manifest goes with its tags, and its names are told', async (t) => {
  const { registry, image, fileOf, fsck } = await withImage(t);
  await truncate(await fileOf(image.digest), 3);
  const { exitCode, stdout } = await fsck('--repair');
  assert.equal(exitCode, 1);
  assert.match(stdout, new RegExp(`push it again: ${image.digest}: .*needed by team/app:1\n`));
  assert.equal((await registry.send('GET', '/v2/team/app/manifests/1')).status, 404);
  await registry.pushImage('team/app', '1');
  assert.equal((await fsck()).exitCode, 0);
});

test('records that do not fit are found, and mended from the content', async (t) => {
  const { server, registry, image, layer, fsck } = await withImage(t);
  await registry.pushImage('team/other', '1');
  await sql(server.dataDir, `delete from blob_links where digest = '${layer}'`);
  await sql(server.dataDir, `delete from manifest_references where kind = 'config'`);
  const found = await fsck();
  assert.equal(found.exitCode, 1, found.stdout);
  assert.match(found.stdout, new RegExp(`damaged: team/app@${image.digest} needs missing content: ${layer}`));
  assert.match(
    found.stdout,
    new RegExp(`damaged: team/app@${image.digest} is recorded with other references`),
  );
  const repaired = await fsck('--repair');
  assert.equal(repaired.exitCode, 0, repaired.stdout);
  assert.equal((await fsck()).exitCode, 0);
  assert.equal((await registry.send('GET', `/v2/team/app/blobs/${layer}`)).status, 200);
});

test('a database that breaks its own rules is damage', async (t) => {
  const { server, layer, fsck } = await withImage(t);
  await sql(server.dataDir, `delete from blobs where digest = '${layer}'`);
  const { exitCode, stdout } = await fsck();
  assert.equal(exitCode, 1);
  assert.match(stdout, /damaged: the database: row \d+ of blob_links refers to no row of blobs/);
});

test('fsck and gc say what is wrong with their arguments', async (t) => {
  const { server } = await withImage(t);
  for (const command of ['fsck', 'gc']) {
    const nowhere = await runBerth(command, '--data', join(server.dataDir, 'nowhere'));
    assert.equal(nowhere.exitCode, 2);
    assert.match(nowhere.stderr, /^berth: .*nowhere has no catalog.sqlite: give the data folder .*\n$/);
    const unknown = await runBerth(command, '--data', server.dataDir, '--nonsense');
    assert.equal(unknown.exitCode, 2);
    assert.match(
      unknown.stderr,
      /^berth: the option "--nonsense" is not known: --help lists the known ones\n$/,
    );
  }
  assert.deepEqual(await readdir(server.dataDir).then((names) => names.includes('nowhere')), false);
  const grace = await runBerth('gc', '--data', server.dataDir, '--grace', 'soon');
  assert.equal(grace.exitCode, 2);
  assert.match(grace.stderr, /^berth: "soon" is not a grace period/);
});
