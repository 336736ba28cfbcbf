import type { FileEntry, FileTree, TreeEntry } from '../context/file-tree.ts';
import { joinPath, nameOf, parentOf, resolveInTree, shownPath } from '../context/tree-paths.ts';
import type { FileModeChange } from '../frontend/file-mode-change.ts';
import { type CopiedEntry, type SelectedSource, SourceError } from './select-sources.ts';
import type { LayerEntry } from './write-layer.ts';

/** Options of a COPY for its files. */
export interface CopyRules {
  /** Without a slash at the beginning; each character is one byte. */
  readonly destination: string;
  /** Whether it ends with a slash, so that sources go into it. */
  readonly isFolder: boolean;
  /** Whether there are several sources, which require a folder as the destination. */
  readonly areSeveral?: boolean;
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  /** Change of the permission bits. */
  readonly mode: FileModeChange | undefined;
  /** Whether owner and mode apply only to created folders; entries of an archive keep their own. */
  readonly keepsOwn?: boolean;
  /** Time of created folders: seconds since 1970. */
  readonly mtime: number;
}

const NOTHING: ReadonlyMap<string, string> = new Map();
const MADE_MODE = 0o755;
const DOCUMENT_MODE = 0o644;
const NO_CHANGES = { owner: undefined, mode: undefined } as const;

/** Decides where the files of a COPY go in the image, over existing ones; each folder comes before its content. */
export class CopyPlacement {
  readonly #root: FileTree | undefined;
  readonly #rules: CopyRules;
  readonly #entries = new Map<string, LayerEntry>();
  /** Destinations of hard-linked files of the current source: as in both builders these stay one file. */
  #names = new Map<string, string>();

  /** `root` is the current image; undefined if it does not matter (`--link`). */
  constructor(root: FileTree | undefined, rules: CopyRules) {
    this.#root = root;
    this.#rules = rules;
  }

  get entries(): Iterable<LayerEntry> {
    return this.#entries.values();
  }

  /** Throws SourceError if a folder would replace a file, or a file a folder. */
  async add(source: SelectedSource, copied: AsyncIterable<CopiedEntry>): Promise<void> {
    const { destination, isFolder } = this.#rules;
    this.#names = new Map();
    const above = joinPath(destination, source.above ?? '').replace(/\/$/, '');
    const found = await this.#resolve(above);
    const isThere = (this.#entries.get(found.path)?.kind ?? found.entry?.kind) === 'folder';
    if (source.entry.kind !== 'folder') {
      const inside = isFolder || isThere || found.path === '' || source.above !== undefined;
      if (!inside) this.#refuseSeveral();
      const path = inside ? joinPath(found.path, source.name) : found.path;
      for await (const { entry } of copied) {
        await this.makeFolders(parentOf(path));
        await this.#putLeaf(path, entry, source, isThere || !inside);
      }
      return;
    }
    if (found.entry !== undefined && found.entry.kind !== 'folder') {
      throw new SourceError(`cannot copy to non-directory: ${shownPath(`/${found.path}`)}`);
    }
    // With --parents a folder keeps its own name too.
    const base = source.above === undefined ? found.path : joinPath(found.path, source.name);
    await this.makeFolders(base);
    await this.#addInside(base, source, copied);
  }

  /** Adds an entry with a known path. */
  put(entry: LayerEntry): void {
    if (entry.kind !== 'folder') this.#clear(entry.path);
    this.#entries.set(entry.path, entry);
  }

  /** Replaces a file that may have other names: those must not change, and a link must follow its target. */
  #clear(path: string): void {
    const before = this.#entries.get(path);
    if (!this.#entries.delete(path) || before?.kind !== 'file' || before.file.inode === undefined) return;
    let heir: string | undefined;
    for (const [name, entry] of this.#entries) {
      if (entry.kind !== 'hardlink' || entry.target !== path) continue;
      this.#entries.set(name, heir === undefined ? { ...before, path: name } : { ...entry, target: heir });
      heir ??= name;
    }
  }

  /** Adds a document of the Dockerfile. */
  async addDocument(name: string, content: Buffer): Promise<void> {
    const found = await this.#resolve(this.#rules.destination);
    const isThere = (this.#entries.get(found.path)?.kind ?? found.entry?.kind) === 'folder';
    const inside = this.#rules.isFolder || isThere || found.path === '';
    if (!inside) this.#refuseSeveral();
    const path = inside ? joinPath(found.path, name) : found.path;
    await this.makeFolders(parentOf(path));
    const { owner, mode, mtime } = this.#rules;
    this.#entries.set(path, {
      path,
      kind: 'document',
      content,
      mode: mode?.(DOCUMENT_MODE, false) ?? DOCUMENT_MODE,
      uid: owner?.uid ?? 0,
      gid: owner?.gid ?? 0,
      mtime,
      xattrs: NOTHING,
    });
  }

  #refuseSeveral(): void {
    if (!this.#rules.areSeveral) return;
    throw new SourceError(
      'when using COPY with more than one source file, the destination must be a directory and end with a /',
    );
  }

  async #addInside(base: string, source: SelectedSource, copied: AsyncIterable<CopiedEntry>): Promise<void> {
    // Destinations of the source's folders: if the image has a link to a folder there, it is followed.
    const targets = new Map<string, { readonly path: string; readonly isThere: boolean }>();
    targets.set('', { path: base, isThere: (await this.#at(base))?.kind === 'folder' });
    for await (const { path, entry } of copied) {
      if (path === '') continue;
      const parent = targets.get(parentOf(path)) ?? (await this.#madeFor(targets, parentOf(path)));
      const target = joinPath(parent.path, nameOf(path));
      if (entry.kind !== 'folder') {
        await this.#putLeaf(target, entry, source, parent.isThere);
        continue;
      }
      const there = parent.isThere ? await this.#resolve(target) : undefined;
      if (there?.entry !== undefined && there.entry.kind !== 'folder') {
        throw new SourceError(`cannot copy to non-directory: ${shownPath(`/${there.path}`)}`);
      }
      const place = { path: there?.path ?? target, isThere: there?.entry !== undefined };
      targets.set(path, place);
      if (place.path !== target) await this.makeFolders(place.path);
      else this.#put(place.path, entry, await source.tree.xattrs(entry.path), source);
    }
  }

  /** Makes a folder whose own entry was excluded while something in it was not. */
  async #madeFor(
    targets: Map<string, { readonly path: string; readonly isThere: boolean }>,
    path: string,
  ): Promise<{ readonly path: string; readonly isThere: boolean }> {
    const parent = targets.get(parentOf(path)) ?? (await this.#madeFor(targets, parentOf(path)));
    const target = joinPath(parent.path, nameOf(path));
    await this.makeFolders(target);
    const place = { path: target, isThere: (await this.#at(target))?.kind === 'folder' };
    targets.set(path, place);
    return place;
  }

  async #putLeaf(path: string, entry: TreeEntry, source: SelectedSource, mayBeThere: boolean): Promise<void> {
    const there = this.#entries.get(path)?.kind ?? (mayBeThere ? (await this.#at(path))?.kind : undefined);
    if (there === 'folder') {
      throw new SourceError(`cannot overwrite directory ${shownPath(`/${path}`)} with a file`);
    }
    const xattrs = await source.tree.xattrs(entry.path);
    this.#put(path, entry, xattrs, source);
  }

  #put(path: string, entry: TreeEntry, xattrs: ReadonlyMap<string, string>, source: SelectedSource): void {
    const { owner, mode } = this.#rules.keepsOwn ? NO_CHANGES : this.#rules;
    const own = source.dropsOwners ? { uid: 0, gid: 0 } : { uid: entry.uid, gid: entry.gid };
    const given = mode?.(entry.mode, entry.kind === 'folder') ?? entry.mode;
    const common = { path, mode: given, ...(owner ?? own), mtime: entry.mtime, xattrs };
    if (entry.kind !== 'folder') this.#clear(path);
    if (entry.kind === 'file') {
      const target = this.#firstName(entry, path);
      if (target === undefined)
        this.#entries.set(path, { ...common, kind: 'file', tree: source.tree, file: entry });
      else this.#entries.set(path, { ...common, kind: 'hardlink', target });
    } else if (entry.kind === 'symlink')
      this.#entries.set(path, { ...common, kind: 'symlink', target: entry.target });
    else if (entry.kind === 'char' || entry.kind === 'block') {
      this.#entries.set(path, { ...common, kind: entry.kind, major: entry.major, minor: entry.minor });
    } else this.#entries.set(path, { ...common, kind: entry.kind });
  }

  #firstName({ inode }: FileEntry, path: string): string | undefined {
    if (inode === undefined) return undefined;
    const first = this.#names.get(inode);
    if (first === undefined) this.#names.set(inode, path);
    return first;
  }

  /**
   * Adds a folder and its parents. Existing ones keep their attributes, and are included in the layer so that their
   * modes are not reset.
   */
  async makeFolders(path: string): Promise<void> {
    if (path === '' || this.#entries.has(path)) return;
    await this.makeFolders(parentOf(path));
    const there = await this.#at(path);
    if (there !== undefined && there.kind !== 'folder') {
      throw new SourceError(`cannot make the directory ${shownPath(`/${path}`)}: a file is there`);
    }
    const { owner, mtime } = this.#rules;
    const made = { mode: MADE_MODE, uid: owner?.uid ?? 0, gid: owner?.gid ?? 0, mtime, xattrs: NOTHING };
    const kept =
      there === undefined || this.#root === undefined
        ? made
        : {
            mode: there.mode,
            uid: there.uid,
            gid: there.gid,
            mtime: there.mtime,
            xattrs: await this.#root.xattrs(path),
          };
    this.#entries.set(path, { path, kind: 'folder', ...kept });
  }

  async #at(path: string): Promise<TreeEntry | undefined> {
    return await this.#root?.entry(path);
  }

  async #resolve(path: string): Promise<{ readonly path: string; readonly entry: TreeEntry | undefined }> {
    const plain = path
      .split('/')
      .filter((name) => name !== '')
      .join('/');
    if (this.#root === undefined) return { path: plain, entry: undefined };
    const resolved = await resolveInTree(this.#root, plain);
    if (resolved === undefined) throw new SourceError(`too many links: ${shownPath(`/${plain}`)}`);
    return resolved;
  }
}
