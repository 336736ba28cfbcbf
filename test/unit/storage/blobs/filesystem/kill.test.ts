import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { collect, collectValues, digestOf, patternBytes, streamOf } from '../../../../support/content.ts';
import { killWhileWriting } from '../../support/kill-while-writing.ts';

const PROGRAM = fileURLToPath(new URL('../../support/append-and-commit.ts', import.meta.url));

test('kill -9 at any moment leaves whole blobs, and all that were answered', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-kill-'));
  try {
    const answered = new Set<string>();
    for (let round = 0; round < 8; round += 1) {
      for (const digest of await killWhileWriting(PROGRAM, [root])) answered.add(digest);
      const driver = await openFilesystemDriver(root);
      const present = new Set<string>();
      for await (const blob of driver.listBlobs()) {
        const hash = createHash('sha256');
        let size = 0;
        for await (const chunk of await driver.readBlob(blob)) {
          hash.update(chunk);
          size += chunk.byteLength;
        }
        assert.equal(`sha256:${hash.digest('hex')}`, blob.digest);
        assert.equal(size, blob.size);
        present.add(blob.digest);
      }
      for (const digest of answered) assert.ok(present.has(digest), `${digest} was answered and is there`);
    }
    assert.ok(answered.size >= 8);

    const driver = await openFilesystemDriver(root);
    for (const { id } of await collectValues(driver.listUploads())) {
      const bytes = patternBytes(5_000, 1);
      const upload = await driver.appendUpload({ id, size: 0, detail: '' }, streamOf(bytes));
      assert.ok((await collect(driver.readUpload(upload))).equals(bytes), 'an upload can be gone on with');
      await new BlobStore(driver).commit(upload, digestOf(bytes));
    }
    assert.deepEqual(await collectValues(driver.listUploads()), []);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
