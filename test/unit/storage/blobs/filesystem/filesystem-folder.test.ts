import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { digestHex } from '../../../../../oci/digest.ts';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import {
  type FilesystemDriver,
  openFilesystemDriver,
} from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { UploadUnknownError } from '../../../../../storage/errors.ts';
import { collect, collectValues, digestOf, patternBytes, streamOf } from '../../../../support/content.ts';
import { waitUntil } from '../../../../support/wait-until.ts';

describe('the folder of a filesystem driver', () => {
  let parent: string;
  let root: string;
  let driver: FilesystemDriver;
  let store: BlobStore;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'berth-folder-'));
    root = join(parent, 'data', 'content');
    driver = await openFilesystemDriver(root);
    store = new BlobStore(driver);
  });

  afterEach(() => rm(parent, { recursive: true, force: true }));

  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  test('has its layout, and nobody else can read it', async () => {
    const bytes = patternBytes(10, 1);
    const digest = digestOf(bytes);
    const hex = digestHex(digest);
    const blob = await store.put(bytes, digest);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    assert.match(blob.location, new RegExp(`^blobs/sha256/${hex.slice(0, 2)}/${hex}\\.[0-9a-f-]{36}$`));
    assert.deepEqual((await readdir(root)).sort(), ['blobs', 'uploads']);
    for (const folder of ['', 'blobs', 'uploads', 'blobs/sha256', `blobs/sha256/${hex.slice(0, 2)}`]) {
      assert.equal(await modeOf(join(root, folder)), '700', folder);
    }
    assert.equal(await modeOf(join(parent, 'data')), '700');
    assert.equal(await modeOf(join(root, blob.location)), '600');
    assert.equal(await modeOf(join(root, 'uploads', upload.id)), '600');
  });

  test('is not left by a location that the driver has not made', async () => {
    await writeFile(join(parent, 'secret'), 'secret');
    const blob = { digest: digestOf('secret'), size: 6 };
    const hex = digestHex(blob.digest);
    for (const location of [
      '../../secret',
      join(parent, 'secret'),
      'blobs/sha256/../../../../secret',
      `blobs/sha256/${hex.slice(0, 2)}/${hex}`,
      `blobs/sha256/${hex.slice(0, 2)}/${hex}.${randomUUID()}/../../../../../../secret`,
      `blobs/sha256/${hex.slice(0, 2)}/${hex}.../../../../../secret`,
      `blobs/sha256/00/${hex}.${randomUUID()}`,
      '',
      'uploads/x',
    ]) {
      await assert.rejects(driver.readBlob({ ...blob, location }), /not the location of a blob/);
      for (const method of ['deleteBlob', 'setAside', 'storedSize'] as const) {
        await assert.rejects(async () => driver[method]({ ...blob, location }), /not the location of a blob/);
      }
    }
    assert.equal((await stat(join(parent, 'secret'))).size, 6);
  });

  test('may hold strange files, which are neither blobs nor uploads', async () => {
    const bytes = patternBytes(10, 2);
    const blob = await store.put(bytes, digestOf(bytes));
    const hex = digestHex(blob.digest);
    await writeFile(join(root, 'blobs', 'README'), '');
    await writeFile(join(root, 'blobs', 'sha256', 'x'), '');
    await writeFile(join(root, 'blobs', 'sha256', hex.slice(0, 2), `${hex}.tmp`), '');
    await writeFile(join(root, 'blobs', 'sha256', hex.slice(0, 2), `${hex.slice(0, 62)}zz`), '');
    await writeFile(join(root, 'blobs', 'sha256', hex.slice(0, 2), hex), '');
    await mkdir(join(root, 'blobs', 'md5', 'aa'), { recursive: true });
    await mkdir(join(root, 'blobs', 'sha256', hex.slice(0, 2), `${hex.slice(0, 2)}${'0'.repeat(62)}`));
    await writeFile(join(root, 'uploads', '.nfs0001'), '');
    const listed = await collectValues(driver.listBlobs());
    assert.deepEqual(
      listed.map(({ location }) => location),
      [blob.location],
    );
    assert.deepEqual(await driver.findBlobs(blob.digest), listed);
    assert.deepEqual(await collectValues(driver.listUploads()), []);
  });

  test('refuses an upload that has lost bytes of its state', async () => {
    const bytes = patternBytes(1_000, 3);
    const upload = await driver.appendUpload(await store.begin(), streamOf(bytes));
    await truncate(join(root, 'uploads', upload.id), 999);
    await assert.rejects(driver.appendUpload(upload, streamOf(bytes)), UploadUnknownError);
    await assert.rejects(collect(driver.readUpload(upload)), UploadUnknownError);
    await assert.rejects(driver.commitUpload(upload, digestOf(bytes)), UploadUnknownError);
  });

  test('keeps what is set aside where people find it', async () => {
    const bytes = patternBytes(10, 7);
    const blob = await store.put(bytes, digestOf(bytes));
    await store.setAside(blob);
    const name = blob.location.split('/').at(-1) ?? '';
    assert.deepEqual(await readdir(join(root, 'quarantine')), [name]);
    assert.ok((await readFile(join(root, 'quarantine', name))).equals(bytes));
    assert.equal(await modeOf(join(root, 'quarantine')), '700');
  });

  test('tells of a blob that has lost bytes before the first one, and takes it anew', async () => {
    const bytes = patternBytes(1_000, 4);
    const blob = await store.put(bytes, digestOf(bytes));
    await truncate(join(root, blob.location), 500);
    await assert.rejects(driver.readBlob(blob), /has 500 bytes instead of 1000: it is damaged/);
    assert.equal(await store.holds(blob), false);
    const anew = await store.put(bytes, digestOf(bytes));
    assert.equal(await store.holds(anew), true);
    assert.ok((await collect(await driver.readBlob(anew))).equals(bytes));
  });

  test('lets its contents be iterated once', async () => {
    const bytes = patternBytes(1_000, 5);
    const content = await store.read(await store.put(bytes, digestOf(bytes)));
    await collect(content);
    await assert.rejects(collect(content), /only once/);
  });

  test('keeps no file open', { skip: process.platform !== 'linux' && 'it needs /proc' }, async () => {
    const ours = async () => {
      const links = await readdir('/proc/self/fd');
      const { readlink } = await import('node:fs/promises');
      const targets = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
      return targets.filter((target) => target.startsWith(root));
    };
    const bytes = patternBytes(2_000_000, 6);
    const blob = await store.put(bytes, digestOf(bytes));
    const abort = new AbortController();
    await driver.readBlob(blob, undefined, abort.signal);
    assert.equal((await ours()).length, 1);
    abort.abort();
    for await (const _ of await driver.readBlob(blob)) break;
    await assert.rejects(driver.readBlob({ ...blob, size: 1 }));
    await assert.rejects(store.put(bytes, digestOf('other')));
    await waitUntil('all are closed', async () => (await ours()).length === 0);
  });
});
