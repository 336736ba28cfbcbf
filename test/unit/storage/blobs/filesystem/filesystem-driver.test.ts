import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFilesystemDriver } from '../../../../../storage/blobs/filesystem/filesystem-driver.ts';
import { describeBlobDriver } from '../../../../contract/blob-driver.ts';
import { describeSideFiles } from '../../../../contract/side-files.ts';
import { makeTempDir } from '../../../../support/temp-dir.ts';

describeBlobDriver('the filesystem driver', {
  async open() {
    const root = await mkdtemp(join(tmpdir(), 'berth-blobs-'));
    return {
      driver: await openFilesystemDriver(root),
      reopen: () => openFilesystemDriver(root),
      close: () => rm(root, { recursive: true, force: true }),
    };
  },
});

describeSideFiles(
  'the filesystem driver',
  async (t) => (await openFilesystemDriver(await makeTempDir(t))).sideFiles,
);

test("side files are their owner's alone, and what a killed process left of one goes", async (t) => {
  const root = await makeTempDir(t);
  const { sideFiles } = await openFilesystemDriver(root);
  const one = async function* () {
    yield 'one';
  };
  await sideFiles.write('notes', 'one', one());
  assert.equal((await stat(join(root, 'notes', 'one'))).mode & 0o777, 0o600);
  assert.equal((await stat(join(root, 'notes'))).mode & 0o777, 0o700);
  await writeFile(join(root, 'notes', 'part-of-a-killed-one'), 'half');
  assert.deepEqual(await sideFiles.list('notes'), ['one']);
  await sideFiles.write('notes', 'two', one());
  assert.deepEqual((await readdir(join(root, 'notes'))).sort(), ['one', 'two']);
});
