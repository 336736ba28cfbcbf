import { createHash } from 'node:crypto';
import type { CopiedEntry, SelectedSource } from './select-sources.ts';

/** A source with all copied entries. */
export interface CopiedSource {
  readonly source: SelectedSource;
  readonly entries: readonly CopiedEntry[];
  /** Identifies the content of `.git`, whose bytes differ each time; undefined if it is treated like other files. */
  readonly history?: string | undefined;
}

/**
 * Returns one digest of everything that a COPY would write: names, kinds, modes, owners, targets, attributes and
 * contents. Times are ignored, so that a fresh checkout of the same files hits the cache.
 */
export async function sourceDigest(copied: readonly CopiedSource[], signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const { source, entries, history } of copied) {
    hash.update(JSON.stringify([source.name, source.above ?? null, source.entry.kind]));
    if (history !== undefined) hash.update(JSON.stringify(['history', history]));
    const names = new Map<string, string>();
    for (const { path, entry } of entries) {
      signal.throwIfAborted();
      if (history !== undefined && isOfHistory(path)) continue;
      const owner = source.dropsOwners ? [] : [entry.uid, entry.gid];
      // The attributes of the copied folder itself do not matter.
      const isRoot = path === '' && entry.kind === 'folder';
      const fields: unknown[] = [path, entry.kind, ...(isRoot ? [] : [entry.mode, ...owner])];
      const { inode } = entry.kind === 'file' ? entry : {};
      const first = inode === undefined ? undefined : names.get(inode);
      if (first !== undefined) fields.push('link', first);
      else if (inode !== undefined) names.set(inode, path);
      if (entry.kind === 'file') fields.push(await source.tree.contentDigest(entry, signal));
      else if (entry.kind === 'symlink') fields.push(entry.target);
      else if (entry.kind === 'char' || entry.kind === 'block') fields.push(entry.major, entry.minor);
      const xattrs = await source.tree.xattrs(entry.path);
      if (xattrs.size > 0) fields.push([...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)));
      hash.update(JSON.stringify(fields));
    }
  }
  return hash.digest('hex');
}

/** Also in a submodule, `.git` refers to that of the whole repository. */
function isOfHistory(path: string): boolean {
  return path.split('/').includes('.git');
}
