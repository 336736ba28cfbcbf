import { posix } from 'node:path';
import { Glob, isGlob, PatternError } from '../../../lib/pattern/glob.ts';
import { Pace } from '../../../lib/sync/pace.ts';
import type { FileTree, TreeEntry } from '../context/file-tree.ts';
import { type IgnoreRules, ignoreLines, ignoreRules } from '../context/ignore-rules.ts';
import { byteText, joinPath, nameOf, parentOf, resolveInTree, shownPath } from '../context/tree-paths.ts';

/** A file or folder that a COPY names, found in its tree. */
export interface SelectedSource {
  readonly tree: FileTree;
  /** The requested path; the entry itself is elsewhere if links led there. */
  readonly path: string;
  /** Name at the destination. */
  readonly name: string;
  readonly entry: TreeEntry;
  /** Parent folders that `--parents` keeps, '' if there are none; undefined without that flag. */
  readonly above: string | undefined;
  /** Whether the owners come from a client and are dropped. */
  readonly dropsOwners: boolean;
}

/** A copied entry, in the order of writing: each folder before its content. */
export interface CopiedEntry {
  /** Within the source; '' is the source itself. */
  readonly path: string;
  readonly entry: TreeEntry;
}

/** A source that does not exist, or must not be read; the message has no location. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}

/**
 * Finds the files of a tree that match a pattern, following links within it. Throws SourceError for a missing path; a
 * pattern with wildcards may match nothing.
 */
export async function selectSources(
  tree: FileTree,
  written: string,
  options: { readonly parents: boolean; readonly dropsOwners: boolean },
): Promise<readonly SelectedSource[]> {
  const cleaned = cleanSource(written);
  const pattern = byteText(cleaned);
  const paths = isGlob(cleaned) ? await matches(tree, pattern) : [pattern];
  const selected: SelectedSource[] = [];
  for (const path of paths) {
    const resolved = await resolveInTree(tree, path);
    if (resolved?.entry === undefined) {
      throw new SourceError(`file not found: ${JSON.stringify(shownPath(`/${path}`))}`);
    }
    selected.push({
      tree,
      path,
      name: nameOf(path),
      entry: resolved.entry,
      above: options.parents ? parentOf(path) : undefined,
      dropsOwners: options.dropsOwners,
    });
  }
  return selected;
}

/** Yields everything of a source except what `--exclude` names. Throws PatternError. */
export async function* copiedEntries(
  source: SelectedSource,
  exclude: readonly string[],
): AsyncGenerator<CopiedEntry> {
  const pace = new Pace();
  const rules = exclude.length === 0 ? undefined : ignoreRules(ignoreLines(exclude.join('\n')));
  if (source.entry.kind !== 'folder') {
    if ((await rules?.excludes(shownPath(source.name), pace)) !== true)
      yield { path: '', entry: source.entry };
    return;
  }
  yield { path: '', entry: source.entry };
  yield* below(source.tree, source.entry.path, '', rules, pace);
}

async function* below(
  tree: FileTree,
  folder: string,
  path: string,
  rules: IgnoreRules | undefined,
  pace: Pace,
): AsyncGenerator<CopiedEntry> {
  for (const name of await tree.children(folder)) {
    const entry = await tree.entry(joinPath(folder, name));
    if (entry === undefined) continue;
    const relative = joinPath(path, name);
    const isExcluded = (await rules?.excludes(shownPath(relative), pace)) === true;
    if (!isExcluded) yield { path: relative, entry };
    if (entry.kind !== 'folder' || (isExcluded && rules?.hasExceptions !== true)) continue;
    yield* below(tree, entry.path, relative, rules, pace);
  }
}

/** Cleans the path of a source; `..` ends at the root of the tree, as with BuildKit. */
function cleanSource(written: string): string {
  return posix.normalize(`/${written}`).replace(/^\//, '').replace(/\/$/, '');
}

/** Finds matching paths, one folder at a time; links on the way are followed within the tree. */
async function matches(tree: FileTree, pattern: string): Promise<readonly string[]> {
  let found = [''];
  const pace = new Pace();
  for (const part of pattern.split('/')) {
    const next: string[] = [];
    const matches = matcherOf(part, pace);
    for (const folder of found) {
      const resolved = await resolveInTree(tree, folder);
      if (resolved?.entry?.kind !== 'folder') continue;
      if (matches === undefined) {
        const path = joinPath(resolved.path, part);
        if ((await tree.entry(path)) !== undefined) next.push(joinPath(folder, part));
        continue;
      }
      const names = await tree.children(resolved.path);
      const matching = await pace.filter(names, matches);
      for (const name of matching) next.push(joinPath(folder, name));
    }
    found = next;
  }
  return found;
}

/** Returns undefined for a plain name. `?` and classes match characters, or bytes in a name that is not UTF-8. */
function matcherOf(part: string, pace: Pace): ((name: string) => boolean) | undefined {
  if (!isGlob(part)) return undefined;
  try {
    const ofBytes = new Glob(part, { doubleStars: false });
    const ofText = new Glob(shownPath(part), { doubleStars: false });
    return (name) => {
      const text = shownPath(name);
      return byteText(text) === name ? ofText.matches(text, pace) : ofBytes.matches(name, pace);
    };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new SourceError(error.message);
  }
}
