import { constants } from 'node:fs';
import { type FileHandle, lstat, open, opendir } from 'node:fs/promises';

/** Maximum depth: deeper folders are unreachable by a path, and do not count. */
const MAX_DEPTH = 2_048;

/**
 * Returns the bytes of the files in a folder, as dockerd counts them; files that disappear do not count, and a file
 * with two names counts once. No link is followed, even if it replaces a folder meanwhile.
 */
export async function folderSize(folder: string): Promise<number> {
  return await new Measure().folder(folder, 0);
}

class Measure {
  readonly #seen = new Set<string>();

  async folder(path: string | Buffer, depth: number): Promise<number> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const folder = depth < MAX_DEPTH ? await open(path, flags).catch(unlessGone) : undefined;
    if (folder === undefined) return 0;
    try {
      return await this.#inside(folder, depth);
    } finally {
      await folder.close();
    }
  }

  async #inside({ fd }: FileHandle, depth: number): Promise<number> {
    const pathOf = (name: Buffer) => Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);
    const folders: Buffer[] = [];
    let bytes = 0;
    // Names are bytes; the types lack this encoding here.
    for await (const entry of await opendir(`/proc/self/fd/${fd}`, { encoding: 'buffer' as 'utf8' })) {
      const path = pathOf(Buffer.from(entry.name));
      if (entry.isDirectory()) folders.push(path);
      else bytes += await this.#file(path);
    }
    for (const path of folders) bytes += await this.folder(path, depth + 1);
    return bytes;
  }

  async #file(path: Buffer): Promise<number> {
    const stat = await lstat(path).catch(unlessGone);
    if (stat === undefined) return 0;
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const inode = `${stat.dev}:${stat.ino}`;
      if (this.#seen.has(inode)) return 0;
      this.#seen.add(inode);
    }
    return stat.size;
  }
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ELOOP') return undefined;
  throw error;
}
