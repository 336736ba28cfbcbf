import assert from 'node:assert/strict';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CleanupScope } from './cleanup.ts';
import { createLayout } from './oci-layout.ts';
import { makeTempDir, removeTree } from './temp-dir.ts';
import type { TestImage } from './test-image.ts';

/** Set by test/run.ts, so that the files of one run make each image once. */
const SHARED_FOLDER = 'BERTH_TEST_IMAGES';

/** Returns the folder for test images: that of the run if there is one, otherwise one that ends with `scope`. */
export async function imageFolder(scope: CleanupScope): Promise<string> {
  const shared = process.env[SHARED_FOLDER];
  if (shared === undefined || shared === '') return makeTempDir(scope, 'images');
  await mkdir(shared, { recursive: true });
  return shared;
}

/**
 * The image `name` in `folder`, made on the first call. Processes may ask at once: each makes its own, the
 * first to finish is kept, and all of them get that one (a compressor need not give the same bytes twice).
 */
export async function cachedImage(
  folder: string,
  name: string,
  make: (layout: string, workDir: string) => Promise<TestImage>,
): Promise<TestImage> {
  const layout = join(folder, name);
  const known = await readRecord(layout);
  if (known !== undefined) return { ...known, layout };
  const workDir = join(folder, `.${name}-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const made = join(workDir, 'layout');
  try {
    await createLayout(made);
    const { refName, digest, mediaType } = await make(made, workDir);
    await writeFile(recordPath(made), JSON.stringify({ refName, digest, mediaType }));
    await rename(made, layout).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    const kept = await readRecord(layout);
    assert.ok(kept !== undefined, `${layout} has no image`);
    return { ...kept, layout };
  } finally {
    await removeTree(workDir);
  }
}

function recordPath(layout: string): string {
  return join(layout, 'test-image.json');
}

async function readRecord(layout: string): Promise<Omit<TestImage, 'layout'> | undefined> {
  try {
    return JSON.parse(await readFile(recordPath(layout), 'utf8')) as Omit<TestImage, 'layout'>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
