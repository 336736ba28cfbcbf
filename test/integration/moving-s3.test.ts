import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { parseS3Url } from '../../storage/blobs/s3/s3-settings.ts';
import { BucketTree } from '../../storage/import/bucket-tree.ts';
import { DockerRegistrySource } from '../../storage/import/docker-registry-source.ts';
import { describeImportSource } from '../contract/import-source.ts';
import { runBerth } from '../support/berth-command.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { createRegistryClient } from '../support/registry-client.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { startSwift } from '../support/s3/swift.ts';
import { fillRegistry } from '../support/source-registry.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const options = { timeout: 900_000 };
const server = await startSwift({ after });
useCredentials(server);
await makeBucket(server, 'moving');
const urlOf = (prefix: string) => storageUrl(server.endpoint, 'moving', prefix);

const old = await startDockerRegistry({ after });
const filled = await fillRegistry({ after }, old.host);
await copyToBucket(old.dataDir, 'old/registry');

describeImportSource('a bucket of docker-registry', async () => ({
  source: new DockerRegistrySource(new BucketTree(parseS3Url(urlOf('old/registry')))),
  filled,
  lists: { manifests: true, referrers: false },
}));

test('a bucket of docker-registry is imported', options, async (t) => {
  const { images, deleted } = filled;
  const data = join(await makeTempDir(t, 'imported'), 'data');
  const result = await runBerth('import', '--from', urlOf('old/registry'), '--data', data);
  assert.equal(result.exitCode, 0, result.stdout + result.stderr);
  const registry = await startRegistry(t, { dataDir: data });
  for (const [name, digest] of images) {
    const [repository = '', tag = ''] = name.split(':');
    assert.equal(await manifestDigest(registry.url, repository, tag), digest, name);
  }
  await assert.rejects(manifestDigest(registry.url, 'team/app', deleted.split('@')[1] ?? ''), /404/);
  assert.equal((await runBerth('fsck', '--data', data)).exitCode, 0);
  const again = await runBerth('import', '--from', urlOf('old/registry'), '--data', data);
  assert.match(again.stdout, /new: 0 manifests, 0 blobs \(0 B\)$/m);

  const none = await runBerth('import', '--from', urlOf('elsewhere'), '--data', data);
  assert.equal(none.exitCode, 2);
  assert.match(none.stderr, /^berth: the bucket moving has nothing below elsewhere\/docker\/registry\/v2/);
});

test('a registry on S3 goes into a backup, with its content when that is asked for', options, async (t) => {
  const args = ['--storage', urlOf('berth')];
  const registry = await startRegistry(t, { args });
  const { bytes } = await createRegistryClient(registry.url).pushImage('team/app', '1');
  const folder = await makeTempDir(t, 'backup');
  const [catalog, whole] = [join(folder, 'catalog'), join(folder, 'whole')];
  const berth = async (...words: string[]) => {
    const result = await runBerth(...words);
    assert.equal(result.exitCode, 0, result.stdout + result.stderr);
    return result.stdout;
  };
  const backup = ['backup', '--data', registry.dataDir, ...args];
  assert.match(await berth(...backup, '--to', catalog), /: 0 blobs copied/);
  assert.match(await berth(...backup, '--content', '--to', whole), /: 3 blobs copied/);
  await registry.stop();
  assert.match(await berth('fsck', '--data', whole), /^checked 3 blobs .*: clean$/m);

  const check = async (data: string, storage: readonly string[]) => {
    const restored = await startRegistry(t, { dataDir: join(folder, data), args: storage });
    const answer = await createRegistryClient(restored.url).send('GET', '/v2/team/app/manifests/1');
    assert.deepEqual(answer.body, bytes);
    await restored.stop();
    await berth('fsck', '--data', join(folder, data), ...storage);
  };
  // The catalog alone, for the bucket where its content is; all of it into a folder; and into another bucket.
  await berth('restore', '--from', catalog, '--data', join(folder, 'one'), ...args);
  await check('one', args);
  await berth('restore', '--from', whole, '--data', join(folder, 'two'));
  await check('two', []);
  const other = ['--storage', urlOf('other')];
  await berth('restore', '--from', whole, '--data', join(folder, 'three'), ...other);
  await check('three', other);
  for (const [words, message] of [
    [[...backup, '--to', whole], /was made with content/],
    [
      ['restore', '--from', catalog, '--data', join(folder, 'four')],
      /has no content: give its location with --storage/,
    ],
    [['restore', '--from', whole, '--data', join(folder, 'four'), ...other], /already has content/],
  ] as const) {
    const refused = await runBerth(...words);
    assert.equal(refused.exitCode, 2, refused.stdout);
    assert.match(refused.stderr, message);
  }
});

/** docker-registry's S3 driver has the same names for keys as the one for files has for paths. */
async function copyToBucket(folder: string, prefix: string): Promise<void> {
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true });
  for await (const entry of glob('**', { cwd: folder, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const Key = `${prefix}${path.slice(folder.length)}`;
    await client.send(new PutObjectCommand({ Bucket: 'moving', Key, Body: await readFile(path) }));
  }
  client.destroy();
}
