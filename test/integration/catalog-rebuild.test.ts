import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { makeAccountsAndRules } from '../support/accounts-and-rules.ts';
import { runBerth } from '../support/berth-command.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { createRegistryClient, digestOf, OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { startRegistry } from '../support/registry-process.ts';
import { ADMIN_PASSWORD } from '../support/registry-with-accounts.ts';

async function withImages(t: TestContext) {
  const server = await startRegistry(t);
  const registry = createRegistryClient(server.url);
  const one = await registry.pushImage('team/app', '1');
  const two = await registry.pushImage('team/app', '2');
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ mediaType: OCI_MANIFEST, digest: two.digest, size: two.bytes.length }],
  };
  await registry.pushManifest('team/app', 'index', index, OCI_INDEX);
  const rebuild = (...args: readonly string[]) =>
    runBerth('catalog', 'rebuild', '--data', server.dataDir, ...args);
  const loseDatabase = async () => {
    for (const part of ['', '-wal', '-shm']) {
      await rm(join(server.dataDir, `catalog.sqlite${part}`), { force: true });
    }
  };
  const fileOf = async (digest: string) => {
    const blobs = new BlobStore(await openFilesystemDriver(server.dataDir));
    const [copy] = await blobs.copies(parseDigest(digest));
    return join(server.dataDir, copy?.location ?? assert.fail(`${digest} has no file`));
  };
  const pull = async (reference: string, repository = 'team/app') =>
    (await registry.send('GET', `/v2/${repository}/manifests/${reference}`)).body;
  return {
    server,
    registry,
    one,
    two,
    index: Buffer.from(JSON.stringify(index)),
    rebuild,
    loseDatabase,
    fileOf,
    pull,
  };
}

async function expectClean(dataDir: string): Promise<void> {
  const { exitCode, stdout } = await runBerth('fsck', '--data', dataDir);
  assert.equal(exitCode, 0, stdout);
}

test('a lost database comes back with all names after a graceful stop', async (t) => {
  const { server, registry, one, two, index, rebuild, loseDatabase, pull } = await withImages(t);
  const before = await registry.send('GET', `/v2/team/app/referrers/${one.digest}`);
  await server.stop();
  await loseDatabase();
  const refused = await runBerth('serve', '--listen', '127.0.0.1:0', '--data', server.dataDir);
  assert.equal(refused.exitCode, 2);
  assert.match(refused.stderr, /the database is new, but the storage has content .*"berth catalog rebuild"/);
  const { exitCode, stdout } = await rebuild();
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /names are taken from names\/.*\nrebuilt from 7 blobs: 3 manifests, 3 tags\n/);
  assert.match(stdout, /no copy of accounts and rules lies beside the content: a backup has them/);
  await server.restart();
  assert.deepEqual(await pull('1'), one.bytes);
  assert.deepEqual(await pull('2'), two.bytes);
  assert.deepEqual(await pull('index'), index);
  assert.deepEqual((await registry.send('GET', `/v2/team/app/referrers/${one.digest}`)).body, before.body);
  for (const { digest } of [one.manifest.config, ...one.manifest.layers]) {
    assert.equal(digestOf((await registry.send('GET', `/v2/team/app/blobs/${digest}`)).body), digest);
  }
  await expectClean(server.dataDir);
  const swept = await runBerth('gc', '--data', server.dataDir, '--grace', '0s', '--untagged');
  assert.match(swept.stdout, /^deleted 0 manifests, 0 unused links, 0 blobs, 0 leftover files/);
});

test('what no snapshot names is recovered under names of its own', async (t) => {
  const { server, one, index, rebuild, loseDatabase, pull } = await withImages(t);
  await server.kill();
  await rm(join(server.dataDir, 'names'), { recursive: true, force: true });
  await loseDatabase();
  const { exitCode, stdout } = await rebuild();
  assert.equal(exitCode, 1);
  assert.match(stdout, /there is no snapshot of names\n/);
  const nameOf = (digest: string) => `unnamed-${digest.slice(7, 23)}`;
  assert.match(
    stdout,
    new RegExp(`no snapshot names ${one.digest}: it is recovered:${nameOf(one.digest)} now`),
  );
  assert.match(stdout, /3 manifests without a name are in recovered\n/);
  await server.restart();
  assert.deepEqual(await pull(nameOf(one.digest), 'recovered'), one.bytes);
  assert.deepEqual(await pull(nameOf(digestOf(index)), 'recovered'), index);
  const tags = await createRegistryClient(server.url).send('GET', '/v2/recovered/tags/list');
  assert.equal(JSON.parse(tags.body.toString()).tags.length, 2, 'the member of the index needs no tag');
  await expectClean(server.dataDir);
});

test('what is damaged stays away, and is told of', async (t) => {
  const { server, one, two, rebuild, loseDatabase, fileOf, pull } = await withImages(t);
  await server.stop();
  await truncate(await fileOf(one.manifest.layers[0]?.digest ?? ''), 3);
  await loseDatabase();
  const { exitCode, stdout } = await rebuild();
  assert.equal(exitCode, 1);
  assert.match(stdout, /blobs\/sha256\/\S+ is damaged: /);
  assert.match(
    stdout,
    new RegExp(`team/app:1 cannot be restored: ${one.manifest.layers[0]?.digest} is lost`),
  );
  await server.restart();
  assert.deepEqual(await pull('2'), two.bytes);
  await expectClean(server.dataDir);
});

test('a snapshot that is cut off is passed over for the one before', async (t) => {
  const { server, one, rebuild, loseDatabase, pull } = await withImages(t);
  await server.stop();
  const folder = join(server.dataDir, 'names');
  const [name = ''] = await readdir(folder);
  const later = '2999-01-01T00-00-00.000Z.jsonl';
  await cp(join(folder, name), join(folder, later));
  await truncate(join(folder, later), 250);
  await loseDatabase();
  const { exitCode, stdout } = await rebuild();
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, new RegExp(`the snapshot of names ${later} is damaged: an earlier one is used`));
  await server.restart();
  assert.deepEqual(await pull('1'), one.bytes);
});

test('it refuses while a server runs and where a database has content, which --force keeps', async (t) => {
  const { server, one, rebuild, pull } = await withImages(t);
  const running = await rebuild('--force');
  assert.equal(running.exitCode, 2);
  assert.match(running.stderr, /another berth is working on .*: wait until it has ended, or stop it/);
  await server.stop();
  const refused = await rebuild();
  assert.equal(refused.exitCode, 2);
  assert.match(refused.stderr, /has content: check it with "berth fsck"; --force rebuilds it/);
  const forced = await rebuild('--force');
  assert.equal(forced.exitCode, 0, forced.stdout);
  const old = /the old database is (\S+)/.exec(forced.stdout)?.[1] ?? '';
  assert.ok((await readdir(server.dataDir)).includes(old.split('/').at(-1) ?? ''));
  await server.restart();
  assert.deepEqual(await pull('1'), one.bytes);
});

test('a database that cannot be read is as good as lost', async (t) => {
  const { server, one, rebuild, loseDatabase, pull } = await withImages(t);
  await server.stop();
  await loseDatabase();
  await writeFile(join(server.dataDir, 'catalog.sqlite'), 'this is no database '.repeat(1000));
  const { exitCode, stdout, stderr } = await rebuild();
  assert.equal(exitCode, 0, stdout + stderr);
  await server.restart();
  assert.deepEqual(await pull('1'), one.bytes);
});

test('what is no action is refused, and rebuild of what is no data folder', async (t) => {
  const { server } = await withImages(t);
  for (const args of [[], ['burn'], ['rebuild', '--data', join(server.dataDir, 'nowhere')]]) {
    const { exitCode, stderr } = await runBerth('catalog', ...args);
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /^berth: (?:an action on the catalog is missing|"burn" is not an action of berth catalog|.*has no folder blobs).*\n$/,
    );
  }
});

test('a lost database gets accounts and rules back: old passwords, tokens and robots let in', async (t) => {
  const before = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: ADMIN_PASSWORD });
  const { data } = before;
  const made = await makeAccountsAndRules(before);
  await before.stop();
  const folder = join(data, 'accounts');
  const [copy = ''] = await readdir(folder);
  assert.equal((await stat(join(folder, copy))).mode & 0o777, 0o600);
  const text = await readFile(join(folder, copy), 'utf8');
  for (const secret of [...made.secrets, 'PRIVATE'])
    assert.ok(secret.length > 5 && !text.includes(secret), secret);
  for (const part of ['', '-wal', '-shm']) await rm(join(data, `catalog.sqlite${part}`), { force: true });
  // One that is cut off, as by a device that lies about what it has written.
  await writeFile(join(folder, '2999-01-01T00-00-00.000Z.jsonl'), text.slice(0, 700));

  const { exitCode, stdout } = await runBerth('catalog', 'rebuild', '--data', data);
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /the copy of accounts and rules 2999-\S+ is damaged: an earlier one is used\n/);
  assert.ok(
    stdout.includes(
      `Z (accounts/${copy}): 2 users, 1 team, 1 grant, 2 tokens, 1 login, 1 rule, 1 tag rule, 1 quota; what was ` +
        'changed or revoked after that must be changed again\n',
    ),
    stdout,
  );
  assert.ok(
    stdout.includes(
      "the webhook ci must be added again, with the secret that its receiver has: berth webhook add ci 'https://ci.example/hook?a=b' " +
        "--event push --repository 'team/*' --secret-stdin\n",
    ),
    stdout,
  );
  assert.match(
    stdout,
    /berth provider add work --issuer https:\S+ --client-id berth .* --group 'all of us=crew' /,
  );
  const after = await startInProcessRegistry(t, { auth: 'accounts', adminPassword: 'of no use', data });
  await made.expectBack(after);
  await after.stop();
  assert.equal((await readdir(folder)).length, 3, 'webhook and provider are gone: there is a newer copy');
  await expectClean(data);
});
