import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Digest } from '../../../../../../oci/digest.ts';
import { FilePlacer } from '../../../../../../storage/blobs/filesystem/journal/small-files.ts';
import { blobLocation, blobPath, uploadPath } from '../../../../../../storage/blobs/filesystem/layout.ts';
import { makeTempDir } from '../../../../../support/temp-dir.ts';

test('a blob that is there is restored into its own file, and takes no further space', async (t) => {
  const root = await makeTempDir(t, 'blobs');
  const uploadId = randomUUID();
  await mkdir(dirname(uploadPath(root, uploadId)), { recursive: true });
  const content = Buffer.from('a small blob');
  const digest: Digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const record = { location: blobLocation({ digest, uploadId }), content };
  const path = blobPath(root, record.location);
  const placer = new FilePlacer(root);
  await placer.place(record);
  const { ino } = await stat(path);

  await writeFile(path, Buffer.alloc(content.length));
  await placer.restore(record);
  assert.deepEqual(await readFile(path), content);
  assert.equal((await stat(path)).ino, ino, 'it is the same file');

  await writeFile(path, 'cut');
  await placer.restore(record);
  assert.deepEqual(await readFile(path), content, 'what is cut short is placed anew');
  assert.deepEqual(await readdir(dirname(uploadPath(root, uploadId))), []);
  assert.deepEqual(await readdir(join(path, '..')), [record.location.split('/').at(-1)]);
});
