import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of the files in a folder, as dockerd counts them; what goes meanwhile does not count, and a file with two names counts once. */
export async function folderSize(folder: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const pending = [folder];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const entries = await opendir(path).catch(unlessGone);
    if (entries === undefined) continue;
    for await (const entry of entries) {
      const below = join(path, entry.name);
      if (entry.isDirectory()) {
        pending.push(below);
        continue;
      }
      const stat = await lstat(below).catch(unlessGone);
      if (stat === undefined) continue;
      const inode = `${stat.dev}:${stat.ino}`;
      if (stat.nlink > 1) {
        if (seen.has(inode)) continue;
        seen.add(inode);
      }
      bytes += stat.size;
    }
  }
  return bytes;
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
