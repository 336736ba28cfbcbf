import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, rename, rmdir, unlink } from 'node:fs/promises';

/** Maximum open folders; deeper folders are first moved up. */
const MAX_DEPTH = 64;
/** Maximum passes over a folder in which others may create files; each pass moves deep folders up. */
const MAX_PASSES = 10_000;
/** Maximum passes that move nothing. */
const MAX_VAIN_PASSES = 10;
/** Files removed concurrently. */
const BATCH = 64;

const NO_FOLDER: ReadonlySet<unknown> = new Set(['ENOTDIR', 'ELOOP']);

/**
 * Removes a file or a folder with its content; does nothing when the path does not exist. It never follows links, even
 * if another process replaces folders by links meanwhile: each name is resolved relative to the open descriptor of its
 * folder. (rm of node:fs uses paths, and fails where they are too long for the kernel.) Only the agent may have write
 * access to the folders above `path`. Throws the error of the file system: ENOTEMPTY when files are created faster than
 * they are removed.
 */
export async function removeTree(path: string | Buffer): Promise<void> {
  const at = typeof path === 'string' ? Buffer.from(path) : path;
  const root = await openFolder(at);
  if (root === 'gone') return;
  if (root === 'no folder') {
    await unlink(at).catch(unlessGone);
    return;
  }
  try {
    const removal = new Removal(root);
    for (let pass = 0, vain = 0; pass < MAX_PASSES && vain < MAX_VAIN_PASSES; pass += 1) {
      if (!(await removal.empty(root, 0))) vain += 1;
      if ((await readdir(inside(root))).length === 0) break;
    }
  } finally {
    await root.close();
  }
  await rmdir(at).catch(unlessGone);
}

class Removal {
  readonly #root: FileHandle;
  #moved = false;

  constructor(root: FileHandle) {
    this.#root = root;
  }

  /** Returns whether folders were moved up, which needs another pass. Files that were created meanwhile remain. */
  async empty(folder: FileHandle, depth: number): Promise<boolean> {
    if (depth === 0) this.#moved = false;
    const entries = await readdir(inside(folder), { withFileTypes: true, encoding: 'buffer' });
    const files = entries.filter((entry) => !entry.isDirectory());
    for (let first = 0; first < files.length; first += BATCH) {
      await Promise.all(files.slice(first, first + BATCH).map((file) => this.#file(folder, file)));
    }
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      await this.#folder(nameIn(folder, name), depth);
    }
    return this.#moved;
  }

  async #file(folder: FileHandle, { name }: Dirent<Buffer>): Promise<void> {
    await unlink(nameIn(folder, name)).catch((error: NodeJS.ErrnoException) => {
      // It has become a folder.
      if (error.code !== 'EISDIR') unlessGone(error);
    });
  }

  async #folder(path: Buffer, depth: number): Promise<void> {
    if (depth >= MAX_DEPTH) {
      await rename(path, nameIn(this.#root, Buffer.from(`.${randomUUID()}`))).catch(unlessGone);
      this.#moved = true;
      return;
    }
    const folder = await openFolder(path);
    // The next pass removes a folder that was replaced since the listing.
    if (typeof folder === 'string') return;
    try {
      await this.empty(folder, depth + 1);
    } finally {
      await folder.close();
    }
    await rmdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && !NO_FOLDER.has(error.code)) unlessGone(error);
    });
  }
}

async function openFolder(path: Buffer): Promise<FileHandle | 'gone' | 'no folder'> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'gone';
    if (NO_FOLDER.has(code)) return 'no folder';
    throw error;
  }
}

function inside(folder: FileHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}

function nameIn(folder: FileHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${inside(folder)}/`), name]);
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
