import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, mock, test } from 'node:test';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { blobLocation } from '../../../../../storage/blobs/filesystem/layout.ts';
import { StorageFullError, UploadUnknownError } from '../../../../../storage/errors.ts';
import { collect, digestOf, patternBytes, streamOf } from '../../../../support/content.ts';

/** What a broken device does is brought about in Node's file handles. */
describe('a device that fails', () => {
  let handles: FileHandle;
  let root: string;
  let store: BlobStore;

  before(async () => {
    const handle = await open(import.meta.filename);
    handles = Object.getPrototypeOf(handle);
    await handle.close();
  });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-faults-'));
    store = new BlobStore(await openFilesystemDriver(root));
  });

  afterEach(async () => {
    mock.restoreAll();
    await rm(root, { recursive: true, force: true });
  });

  const failure = (code: string) => Object.assign(new Error(`${code}: it failed`), { code });

  test('to store an upload loses it, so that a second commit cannot take lost pages for written', async () => {
    const bytes = patternBytes(1_000, 1);
    const refusals = [
      ['EIO', /EIO/],
      ['ENOSPC', StorageFullError],
      ['EDQUOT', StorageFullError],
    ] as const;
    for (const [code, refusal] of refusals) {
      const upload = await store.append(await store.begin(), streamOf(bytes));
      mock.method(handles, 'datasync', () => Promise.reject(failure(code)));
      await assert.rejects(store.commit(upload, digestOf(bytes)), refusal);
      mock.restoreAll();
      assert.equal(await store.find(digestOf(bytes)), undefined);
      await assert.rejects(store.commit(upload, digestOf(bytes)), UploadUnknownError);
    }
  });

  test('to store an upload ahead of its commit loses it too', async () => {
    const chunk = patternBytes(1024 * 1024, 3);
    async function* content() {
      for (let count = 0; count < 40; count += 1) yield chunk;
    }
    const upload = await store.append(await store.begin(), streamOf(chunk));
    mock.method(handles, 'datasync', () => Promise.reject(failure('EIO')));
    await assert.rejects(store.append(upload, content()), /EIO/);
    mock.restoreAll();
    await assert.rejects(store.append(upload, streamOf(chunk)), UploadUnknownError);
  });

  test('to write for want of space keeps the upload for another try', async () => {
    const bytes = patternBytes(1_000, 2);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    for (const code of ['ENOSPC', 'EDQUOT']) {
      mock.method(handles, 'write', () => Promise.reject(failure(code)));
      await assert.rejects(store.append(upload, streamOf(bytes)), StorageFullError);
      mock.restoreAll();
    }
    const blob = await store.commit(upload, digestOf(bytes));
    assert.ok((await collect(await store.read(blob))).equals(bytes));
  });

  test('by short writes gets the rest', async () => {
    const bytes = patternBytes(300_000, 4);
    const write = handles.write as (...args: unknown[]) => Promise<unknown>;
    mock.method(
      handles,
      'write',
      function (this: FileHandle, buffer: Uint8Array, offset: number, length: number, position: number) {
        return write.call(this, buffer, offset, Math.min(length, 70_000), position);
      },
    );
    const upload = await store.append(await store.begin(), streamOf(bytes.subarray(0, 1_000)));
    const blob = await store.commit(
      await store.append(upload, streamOf(bytes.subarray(1_000))),
      digestOf(bytes),
    );
    mock.restoreAll();
    assert.ok((await collect(await store.read(blob))).equals(bytes));
  });

  test('after its last word has everything: content first, then the name, then the folder', async () => {
    const bytes = patternBytes(1_000, 5);
    const events: string[] = [];
    const upload = await store.append(await store.begin(), streamOf(bytes));
    const target = join(root, blobLocation({ digest: digestOf(bytes), uploadId: upload.id }));
    for (const method of ['datasync', 'sync'] as const) {
      const real = handles[method];
      mock.method(handles, method, async function (this: FileHandle) {
        const kind = (await this.stat()).isDirectory() ? 'folder' : 'file';
        events.push(`${kind} ${existsSync(target) ? 'after' : 'before'} the rename`);
        return real.call(this);
      });
    }
    await store.commit(upload, digestOf(bytes));
    assert.equal(events[0], 'file before the rename');
    assert.equal(events.at(-1), 'folder after the rename');
    assert.equal(events.filter((event) => event.startsWith('file')).length, 1);

    // A crash may have come before the sync of the folder, so a commit that finds its own blob syncs it too.
    events.length = 0;
    await store.commit(upload, digestOf(bytes));
    assert.deepEqual(events, ['folder after the rename']);
  });
});
