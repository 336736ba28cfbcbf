import type { FileTree, TreeEntry } from './file-tree.ts';

/** Maximum links on the way to a path, as in Linux; more are a loop. */
const MAX_LINKS = 40;

/** Returns the bytes of a text, each as one character, the form of file names in trees. */
export function byteText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Decodes bytes of a path as text, for messages. */
export function shownPath(path: string): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

export function joinPath(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * Resolves every link on the way to `path` inside the tree, as if it were the root; `..` stops there. Missing names
 * stay, so the result is where they would be created. The last name is followed only with `last`. Returns undefined for
 * a loop of links.
 */
export async function resolveInTree(
  tree: FileTree,
  path: string,
  last: 'follow' | 'keep' = 'follow',
): Promise<{ readonly path: string; readonly entry: TreeEntry | undefined } | undefined> {
  let links = 0;
  let resolved = '';
  let entry: TreeEntry | undefined = await tree.entry('');
  const names = path.split('/');
  while (names.length > 0) {
    const name = names.shift() ?? '';
    if (name === '' || name === '.') continue;
    if (name === '..') {
      resolved = parentOf(resolved);
      entry = await tree.entry(resolved);
      continue;
    }
    const next = joinPath(resolved, name);
    entry = await tree.entry(next);
    const isLast = names.every((other) => other === '' || other === '.');
    if (entry?.kind !== 'symlink' || (isLast && last === 'keep')) {
      resolved = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    const { target } = entry;
    if (target.startsWith('/')) resolved = '';
    names.unshift(...target.split('/'));
    entry = await tree.entry(resolved);
  }
  return { path: resolved, entry };
}
