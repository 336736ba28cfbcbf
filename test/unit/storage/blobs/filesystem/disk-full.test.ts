import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DriverUpload } from '../../../../../storage/blobs/blob-driver.ts';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import {
  type FilesystemDriver,
  openFilesystemDriver,
} from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { StorageFullError } from '../../../../../storage/errors.ts';
import { collect, collectValues, digestOf, patternBytes, streamOf } from '../../../../support/content.ts';

const reason = process.getuid?.() !== 0 && 'only root can mount a small file system to fill';

describe('on a device of 8 MiB and 24 files', { skip: reason }, () => {
  let root: string;
  let driver: FilesystemDriver;
  let store: BlobStore;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'berth-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,nr_inodes=24', 'berth-test', root]);
    driver = await openFilesystemDriver(root);
    store = new BlobStore(driver);
  });

  after(async () => {
    if (root === undefined) return;
    execFileSync('umount', ['--lazy', root]);
    await rm(root, { recursive: true, force: true });
  });

  test('an append that does not fit keeps what was there, and can go on when there is space', async () => {
    const kept = patternBytes(3_000_000, 1);
    const small = patternBytes(1_000, 2);
    const blob = await store.put(kept, digestOf(kept));
    let state: DriverUpload = await store.append(await store.begin(), streamOf(small));
    const appending = store.append(state, streamOf(patternBytes(9_000_000, 3)), {
      checkpoint: async (reached) => {
        state = reached;
      },
    });
    await assert.rejects(appending, (error) => {
      assert.ok(error instanceof StorageFullError);
      assert.match(error.message, /no space left: free some space/);
      return true;
    });
    assert.equal(state.size, small.byteLength);
    assert.ok((await collect(await driver.readBlob(blob))).equals(kept));
    await assert.rejects(store.put(kept, digestOf(kept)), StorageFullError);

    await store.delete(blob);
    const rest = patternBytes(2_000_000, 4);
    const whole = Buffer.concat([small, rest]);
    state = await store.append(state, streamOf(rest));
    const stored = await store.commit(state, digestOf(whole));
    assert.ok((await collect(await driver.readBlob(stored))).equals(whole));
    await store.delete(stored);
    assert.deepEqual(await collectValues(driver.listUploads()), []);
  });

  test('a commit for which no folder can be made leaves the upload, and succeeds later', async () => {
    const bytes = patternBytes(1_000, 5);
    const upload = await store.append(await store.begin(), streamOf(bytes));
    const fillers: DriverUpload[] = [];
    await assert.rejects(async () => {
      for (;;) fillers.push(await store.append(await store.begin(), streamOf(patternBytes(1, 6))));
    }, StorageFullError);
    await assert.rejects(store.commit(upload, digestOf(bytes)), StorageFullError);
    assert.equal(await store.find(digestOf(bytes)), undefined);
    for (const filler of fillers) await store.abort(filler);
    const blob = await store.commit(upload, digestOf(bytes));
    assert.ok((await collect(await driver.readBlob(blob))).equals(bytes));
  });
});
