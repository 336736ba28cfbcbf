import { closeSync, constants, openSync, rmdirSync, unlinkSync } from 'node:fs';
import { openFolderAt, pathAt, statAt } from '../../snapshots/diff/tree-files.ts';
import { FolderTree } from '../context/folder-tree.ts';
import { byteText, nameOf, parentOf, resolveInTree, shownPath } from '../context/tree-paths.ts';

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
      for (const path of deepestFirst) clearStub(root, path);
    },
  };
}

/** The process may have put a link in the way, and another that it gave a descriptor to may do so now: none is followed. */
function clearStub(root: string, path: string): void {
  const opened: number[] = [];
  try {
    let folder = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
    opened.push(folder);
    for (const name of parentOf(path).split('/').filter(Boolean)) {
      const next = openFolderAt(folder, name);
      if (next === undefined) return;
      opened.push(next);
      folder = next;
    }
    const name = nameOf(path);
    const stat = statAt(folder, name);
    if (stat?.isFile() && stat.size === 0n) unlinkSync(pathAt(folder, name));
    else if (stat?.isDirectory()) rmdirSync(pathAt(folder, name));
  } catch (error) {
    if (NOT_EMPTY.has((error as NodeJS.ErrnoException).code)) return;
    throw new Error(`what was made to mount over at ${shownPath(path)} cannot be removed`, { cause: error });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

const NOT_EMPTY: ReadonlySet<unknown> = new Set(['ENOTEMPTY', 'EEXIST']);
