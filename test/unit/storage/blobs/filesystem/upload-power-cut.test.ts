import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BlobStore } from '../../../../../storage/blobs/blob-store.ts';
import { openFilesystemDriver } from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { digestOf, patternBytes, streamOf } from '../../../../support/content.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

const MiB = 1024 * 1024;

/** A store on a folder, in a run of the kernel. */
async function open(t: TestContext, root: string, boot: string): Promise<BlobStore> {
  const driver = await openFilesystemDriver(root, { journal: true, boot });
  t.after(() => driver.close());
  return new BlobStore(driver);
}

test('an upload that a power cut may have filled with zeros goes on where it is on the device', async (t) => {
  const root = await makeTempDir(t, 'power-cut');
  const before = await open(t, root, 'first');
  const bytes = patternBytes(MiB, 1);
  const upload = await before.append(await before.begin(), streamOf(bytes));
  assert.deepEqual((await open(t, root, 'first')).settled(upload), upload, 'only the process was killed');
  await writeFile(join(root, 'uploads', upload.id), Buffer.alloc(MiB));
  const after = await open(t, root, 'second');
  const settled = after.settled(upload);
  assert.equal(settled.size, 0);
  const again = await after.append(settled, streamOf(bytes));
  assert.deepEqual(after.settled(again), again);
  await after.commit(again, digestOf(bytes));
});

test('what was synced of a large upload stays', async (t) => {
  const root = await makeTempDir(t, 'power-cut');
  const before = await open(t, root, 'first');
  const bytes = patternBytes(MiB, 2);
  async function* content() {
    for (let count = 0; count < 40; count += 1) yield bytes;
  }
  const upload = await before.append(await before.begin(), content());
  const after = await open(t, root, 'second');
  const { size } = after.settled(upload);
  assert.equal(size, 32 * MiB);
  const later = await before.append(upload, streamOf(bytes));
  assert.equal(after.settled(later).size, 32 * MiB, 'it never becomes less');
});
