import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openPrivateFile } from '../../../lib/files/private-file.ts';
import { readRegularFile } from '../../../lib/files/regular-file.ts';
import type { SideFiles } from '../side-files.ts';
import { isMissing, onDevice, syncFolder } from './device.ts';

const PART = 'part-';

/** Side files in folders beside those of the blobs, with mode 0600. */
export class FolderSideFiles implements SideFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async list(folder: string): Promise<readonly string[]> {
    try {
      return (await readdir(join(this.#root, folder))).filter((name) => !name.startsWith(PART));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  read(folder: string, name: string): Promise<string> {
    return readRegularFile(join(this.#root, folder, name));
  }

  write(folder: string, name: string, pieces: AsyncIterable<string>): Promise<void> {
    return onDevice(async () => {
      const path = join(this.#root, folder);
      await mkdir(path, { recursive: true, mode: 0o700 });
      await removeParts(path);
      // Processes of several machines may have the same number.
      const part = join(path, `${PART}${randomUUID()}`);
      try {
        await writePieces(part, pieces);
        await rename(part, join(path, name));
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
      await syncFolder(path);
    });
  }

  async remove(folder: string, name: string): Promise<void> {
    await rm(join(this.#root, folder, name), { force: true });
  }
}

/** Removes leftovers of killed processes: only one process writes at a time. */
async function removeParts(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (name.startsWith(PART)) await rm(join(path, name), { force: true });
  }
}

async function writePieces(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const file = await openPrivateFile(path, 'w');
  try {
    for await (const piece of pieces) await file.writeFile(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}
