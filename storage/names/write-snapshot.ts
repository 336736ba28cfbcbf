import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NameLine } from '../catalog/names-catalog.ts';
import { listSnapshots, snapshotName } from './snapshot-files.ts';

const KEPT = 3;
/** Characters that one write takes. */
const PIECE = 256 * 1024;

/**
 * Writes all names into a new file of the folder, which is made when it is not there, and deletes all but the
 * latest three. The file is there wholly or not at all, also after a power cut. Answers its path.
 */
export async function writeSnapshot(
  folder: string,
  lines: AsyncIterable<NameLine>,
  signal?: AbortSignal,
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, snapshotName(new Date()));
  // Processes of several machines may have the same number.
  const part = join(folder, `part-${randomUUID()}`);
  await removeParts(folder);
  try {
    await writeLines(part, lines, signal);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  for (const old of (await listSnapshots(folder)).slice(KEPT)) await rm(join(folder, old), { force: true });
  return path;
}

/** Those of processes that were killed: one writes at a time. */
async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('part-')) await rm(join(folder, name), { force: true });
  }
}

/** The last line tells that none is missing. */
async function writeLines(
  path: string,
  lines: AsyncIterable<NameLine>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    let count = 0;
    let piece = '';
    for await (const line of lines) {
      piece += `${JSON.stringify(line)}\n`;
      count += 1;
      if (piece.length < PIECE) continue;
      signal?.throwIfAborted();
      await file.writeFile(piece);
      piece = '';
    }
    await file.writeFile(`${piece}${JSON.stringify({ end: count })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
