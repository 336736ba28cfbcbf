import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseDigest } from '../../oci/digest.ts';
import { UploadSessions } from '../../server/registry/upload-sessions.ts';
import { BlobStore } from '../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../storage/blobs/filesystem/filesystem-driver.ts';
import { openSqliteCatalog } from '../../storage/catalog/knex-catalog.ts';
import { ContentStore } from '../../storage/content-store.ts';
import { UploadBusyError, UploadUnknownError } from '../../storage/errors.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/registry-client.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const { signal } = new AbortController();

async function* piece(text: string) {
  yield Buffer.from(text);
}

async function open(t: TestContext) {
  const folder = await makeTempDir(t);
  const catalog = await openSqliteCatalog({ file: join(folder, 'catalog.sqlite') });
  defer(t, () => catalog.close());
  const blobs = new BlobStore(await openFilesystemDriver(folder));
  const sessions = new UploadSessions(catalog, blobs, new ContentStore(catalog, blobs));
  return { catalog, blobs, sessions };
}

test('an upload belongs to its repository', async (t) => {
  const { sessions } = await open(t);
  const { id } = await sessions.begin('team/app');
  await assert.rejects(sessions.find('team/other', id), UploadUnknownError);
  await assert.rejects(sessions.cancel('team/other', id), UploadUnknownError);
  await sessions.cancel('team/app', id);
  await assert.rejects(sessions.find('team/app', id), UploadUnknownError);
});

test('a client that goes away leaves what has arrived, and the next one goes on from there', async (t) => {
  const { sessions } = await open(t);
  const { id } = await sessions.begin('team/app');
  async function* broken() {
    yield Buffer.from('arrived ');
    throw new Error('the client has gone');
  }
  const check = () => undefined;
  const broke = sessions.append('team/app', id, { content: broken(), check }, signal);
  await assert.rejects(broke, /the client has gone/);
  assert.equal((await sessions.find('team/app', id)).upload.size, 8);
  const digest = parseDigest(digestOf('arrived and more'));
  const blob = await sessions.complete(
    'team/app',
    id,
    { digest, chunk: { content: piece('and more'), check } },
    signal,
  );
  assert.equal(blob.size, 16);
});

test('a request that has read a state of the past never writes over what came since', async (t) => {
  const { catalog, blobs, sessions } = await open(t);
  const { id } = await sessions.begin('team/app');
  const read = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const uploads: typeof catalog.uploads = Object.create(catalog.uploads, {
    find: {
      value: async (repository: string, upload: string) => {
        const record = await catalog.uploads.find(repository, upload);
        read.resolve();
        await goOn.promise;
        return record;
      },
    },
    update: { value: catalog.uploads.update.bind(catalog.uploads) },
  });
  const slow = new UploadSessions({ ...catalog, uploads }, blobs, new ContentStore(catalog, blobs));
  const check = () => undefined;
  const first = slow.append('team/app', id, { content: piece('slow'), check }, signal);
  await read.promise;
  await assert.rejects(
    slow.append('team/app', id, { content: piece('quick'), check }, signal),
    UploadBusyError,
  );
  goOn.resolve();
  assert.equal((await first).size, 4);
  await sessions.complete('team/app', id, { digest: parseDigest(digestOf('slow')) }, signal);
});

test('completing again after a crash between content and catalog', async (t) => {
  const { catalog, sessions } = await open(t);
  const { id } = await sessions.begin('team/app');
  await sessions.append('team/app', id, { content: piece('content'), check: () => undefined }, signal);
  const { upload } = await sessions.find('team/app', id);
  const digest = parseDigest(digestOf('content'));
  await sessions.complete('team/app', id, { digest }, signal);
  // As it stands when the process dies after the rename: the row is there, the bytes are the blob already.
  await catalog.blobs.unlink('team/app', digest);
  await catalog.uploads.create('team/app', { ...upload, size: 0 });
  await catalog.uploads.update(upload, 0);
  const blob = await sessions.complete('team/app', id, { digest }, signal);
  assert.equal(blob.digest, digest);
  assert.ok(await catalog.blobs.find('team/app', digest));
});
