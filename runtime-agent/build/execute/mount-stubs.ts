import { rm, rmdir } from 'node:fs/promises';
import { FolderTree } from '../context/folder-tree.ts';
import { byteText, parentOf, resolveInTree, shownPath } from '../context/tree-paths.ts';

/** Paths of a root file system that are made only because something is mounted there. */
export interface MountStubs {
  /** Takes those away that hold nothing; the process has ended. */
  clear(): Promise<void>;
}

/** Notes which of `targets` are not there yet. */
export async function noteMountStubs(root: string, targets: readonly string[]): Promise<MountStubs> {
  const tree = new FolderTree(root, async () => undefined);
  const missing = new Set<string>();
  for (const target of targets) {
    const resolved = await resolveInTree(tree, byteText(target));
    if (resolved === undefined || resolved.entry !== undefined) continue;
    for (let path = resolved.path; path !== ''; path = parentOf(path)) {
      if ((await tree.entry(path)) !== undefined) break;
      missing.add(path);
    }
  }
  return {
    async clear() {
      const deepestFirst = [...missing].sort((a, b) => b.length - a.length);
      for (const path of deepestFirst) {
        // The process may have put a link in the way, which would lead out of its root.
        const resolved = await resolveInTree(tree, path, 'keep');
        if (resolved?.path !== path || resolved.entry === undefined) continue;
        const { entry } = resolved;
        const place = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
        if (entry.kind === 'file' && entry.size === 0) await rm(place);
        else if (entry.kind === 'folder') await rmdir(place).catch(unlessFilled(shownPath(path)));
      }
    },
  };
}

function unlessFilled(path: string): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return;
    throw new Error(`what was made to mount over at ${path} cannot be removed`, { cause: error });
  };
}
