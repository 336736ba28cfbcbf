import { quoteName, TarFormatError } from '../../lib/tar/tar-header.ts';
import type { TarEntry, TarEntryKind, TarHandler } from '../../lib/tar/tar-parser.ts';
import { followLinks, type LinkedTree, namesOf, StepCount } from './entry-path.ts';
import { keptXattrs } from './layer-xattrs.ts';
import { readMark, WHITEOUT_PREFIX } from './whiteout-names.ts';

/** Limits of a layer; the largest images of build machines reach a third. */
const LIMITS = {
  /** Files, links, folders, and folders without an entry. */
  maxNodes: 2_000_000,
  /** Bytes of names, link targets and extended attributes. */
  maxText: 256 << 20,
};
const MAX_NAME = 255;
const SET_GID = 0o2000;
const NO_XATTRS: ReadonlyMap<string, string> = new Map();

/** An entry of a layer; a whiteout of overlay is a character device 0, 0. */
export interface LayerNode {
  kind: Exclude<TarEntryKind, 'hardlink' | 'old-folder'>;
  mode: number;
  uid: number;
  gid: number;
  /** For files: size in bytes, and offset in the tar. */
  size: number;
  bodyStart: number;
  /** Whole seconds since 1970, and nanoseconds to be added. */
  mtime: number;
  mtimeNanoseconds: number;
  /** For symlinks. */
  target: string;
  major: number;
  minor: number;
  xattrs: ReadonlyMap<string, string>;
  /** For folders, by name; one character per byte. */
  children: Map<string, LayerNode> | undefined;
  /** Number of names, also for folders. */
  names: number;
  /** For folders: hides all content of lower layers. */
  isOpaque: boolean;
  /** For folders: it may contain whiteouts. */
  hasWhiteouts: boolean;
}

/**
 * The tree of a layer's entries, applied in order as unpacking programs do (image-spec, layer.md, "Applying
 * Changesets"): a later entry replaces an earlier one with its name, folders keep their content, symlinks on the way to
 * an entry are followed below the root. Memory is bounded.
 */
export class LayerTree implements TarHandler {
  readonly root: LayerNode = newFolder();
  readonly #limits: typeof LIMITS;
  readonly #steps: StepCount;
  #nodes = 1;
  #text = 0;
  readonly #links: LinkedTree<LayerNode | undefined> = {
    root: this.root,
    childOf: (folder, name) => folder?.children?.get(name),
    targetOf: (node) => (node?.kind === 'symlink' ? node.target : undefined),
    step: () => this.#steps.add(),
  };
  /** Caches the folder of the previous entry, which most entries share. */
  #lastFolder: { readonly path: string; readonly node: LayerNode } | undefined;

  /** Tests use smaller limits. */
  constructor(limits: Partial<typeof LIMITS> = {}, steps: StepCount = new StepCount()) {
    this.#limits = { ...LIMITS, ...limits };
    this.#steps = steps;
  }

  /** Throws TarFormatError. */
  entry(entry: TarEntry): void {
    const slash = entry.path.lastIndexOf('/');
    const name = entry.path.slice(slash + 1);
    if (slash >= 0 && isPlain(name) && this.#lastFolder?.path === entry.path.slice(0, slash)) {
      this.#put(this.#lastFolder.node, name, entry);
      return;
    }
    const names = namesOf(entry.path);
    const last = names.at(-1);
    if (last === undefined) {
      if (entry.kind !== 'folder' && entry.kind !== 'old-folder') {
        throw new TarFormatError('its root is not a folder');
      }
      this.#setAttributes(this.root, entry);
      return;
    }
    const folder = this.#makeFolders(names.slice(0, -1), entry.path);
    this.#put(folder, last, entry);
    if (slash >= 0 && isPlain(name)) this.#lastFolder = { path: entry.path.slice(0, slash), node: folder };
  }

  data(): void {}

  #put(folder: LayerNode, name: string, entry: TarEntry): void {
    const mark = readMark(name);
    if (mark === undefined) this.#make(folder, name, entry);
    else if (mark.kind === 'opaque') this.#hideBelow(folder);
    else if (mark.kind === 'whiteout') this.#whiteOut(folder, mark.deleted);
  }

  #hideBelow(folder: LayerNode): void {
    if (folder === this.root)
      throw new TarFormatError('it hides all layers below it, which is not supported');
    folder.isOpaque = true;
  }

  /** Applies a whiteout to lower layers, whatever the order: entries of this layer stay. */
  #whiteOut(folder: LayerNode, name: string): void {
    const existing = folder.children?.get(name);
    if (existing === undefined) this.#add(folder, name, { ...newNode('char'), mode: 0 });
    else if (existing.kind === 'folder') existing.isOpaque = true;
  }

  #make(folder: LayerNode, name: string, entry: TarEntry): void {
    const existing = folder.children?.get(name);
    if (entry.kind === 'hardlink') {
      // Removes the old one first: a hard link to itself has no target.
      if (existing !== undefined) this.#remove(folder, name, existing);
      const linked = this.#findLinked(entry);
      linked.names += 1;
      this.#add(folder, name, linked);
      return;
    }
    const isFolder = entry.kind === 'folder' || entry.kind === 'old-folder';
    if (existing?.kind === 'folder' && isFolder) {
      this.#setAttributes(existing, entry);
      return;
    }
    if (existing !== undefined) this.#remove(folder, name, existing);
    const node = isFolder ? newFolder() : newNode(entry.kind as LayerNode['kind']);
    // The lower layers may have a folder here, which a non-folder has hidden meanwhile.
    if (isFolder && existing !== undefined) node.isOpaque = true;
    this.#setAttributes(node, entry);
    this.#add(folder, name, node);
  }

  #findLinked({ path, target }: TarEntry): LayerNode {
    const names = namesOf(target);
    const name = names.at(-1);
    const folder = name === undefined ? undefined : this.#findFolder(names.slice(0, -1));
    const linked = folder?.children?.get(name ?? '');
    if (linked === undefined || linked.kind === 'folder' || isWhiteout(linked)) {
      const what =
        linked?.kind === 'folder' || name === undefined ? 'which is a folder' : 'which it does not have';
      throw new TarFormatError(`${quoteName(path)} is a hard link to ${quoteName(target)}, ${what}`);
    }
    return linked;
  }

  #findFolder(names: readonly string[]): LayerNode | undefined {
    let folder: LayerNode | undefined = this.root;
    for (const name of followLinks(names, this.#links) ?? ['']) folder = folder?.children?.get(name);
    return folder;
  }

  /** Returns the folder at a path for an entry, creating missing ones. */
  #makeFolders(names: readonly string[], path: string): LayerNode {
    const followed = followLinks(names, this.#links);
    if (followed === undefined)
      throw new TarFormatError(`the links on the way to ${quoteName(path)} never end`);
    let folder = this.root;
    for (const name of followed) {
      const existing = folder.children?.get(name);
      if (existing?.kind === 'folder') folder = existing;
      else if (existing === undefined || isWhiteout(existing)) {
        // Links may have led to a name that no entry may have.
        if (name.length > MAX_NAME || name.startsWith(WHITEOUT_PREFIX)) {
          throw new TarFormatError(
            `${quoteName(path)} lies in ${quoteName(name)}, which cannot name a folder`,
          );
        }
        const made = impliedFolder(folder);
        if (existing !== undefined) {
          this.#remove(folder, name, existing);
          made.isOpaque = true;
        }
        this.#add(folder, name, made);
        folder = made;
      } else throw new TarFormatError(`${quoteName(path)} lies in ${quoteName(name)}, which is not a folder`);
    }
    return folder;
  }

  #add(folder: LayerNode, name: string, node: LayerNode): void {
    folder.children?.set(name, node);
    if (isWhiteout(node)) folder.hasWhiteouts = true;
    this.#nodes += 1;
    const { maxNodes } = this.#limits;
    if (this.#nodes > maxNodes) throw new TarFormatError(`it has more than ${maxNodes} entries`);
    this.#count(name.length);
  }

  #remove(folder: LayerNode, name: string, node: LayerNode): void {
    node.names -= 1;
    folder.children?.delete(name);
    // Another path may pass through it.
    if (node.kind === 'folder' || node.kind === 'symlink') this.#lastFolder = undefined;
    if (node.kind === 'folder') dropNames(node);
  }

  #setAttributes(node: LayerNode, entry: TarEntry): void {
    node.mode = entry.mode;
    node.uid = entry.uid;
    node.gid = entry.gid;
    node.mtime = Math.floor(entry.mtime);
    node.mtimeNanoseconds = entry.mtimeNanoseconds;
    node.major = entry.major;
    node.minor = entry.minor;
    node.xattrs = keptXattrs(entry);
    for (const [name, value] of node.xattrs) this.#count(name.length + value.length);
    if (entry.kind === 'file') {
      node.size = entry.size;
      node.bodyStart = entry.bodyStart;
    } else if (entry.kind === 'symlink') {
      // Linux has no other mode for symlinks.
      node.mode = 0o777;
      node.target = entry.target;
      node.size = entry.target.length;
      this.#count(entry.target.length);
    }
  }

  #count(length: number): void {
    this.#text += length;
    const { maxText } = this.#limits;
    if (this.#text > maxText) {
      throw new TarFormatError(`its names, links and extended attributes take more than ${maxText} bytes`);
    }
  }
}

/** Reports whether overlay takes it for a whiteout of its name in the layers below. */
function isWhiteout({ kind, major, minor }: LayerNode): boolean {
  return kind === 'char' && major === 0 && minor === 0;
}

/**
 * Drops the names in a removed folder; hard links into it stay. Not recursive: a path of 4,095 bytes is 2,000 folders
 * deep.
 */
function dropNames(folder: LayerNode): void {
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const child of next.children?.values() ?? []) {
      child.names -= 1;
      if (child.kind === 'folder') folders.push(child);
    }
  }
}

function isPlain(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..';
}

function newFolder(): LayerNode {
  return { ...newNode('folder'), mode: 0o755, children: new Map() };
}

/** Returns a folder with the attributes that mkdir(2) would give it. */
function impliedFolder({ mode, gid }: LayerNode): LayerNode {
  return (mode & SET_GID) === 0 ? newFolder() : { ...newFolder(), mode: 0o755 | SET_GID, gid };
}

function newNode(kind: LayerNode['kind']): LayerNode {
  return {
    kind,
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    bodyStart: 0,
    mtime: 0,
    mtimeNanoseconds: 0,
    target: '',
    major: 0,
    minor: 0,
    xattrs: NO_XATTRS,
    children: undefined,
    names: 1,
    isOpaque: false,
    hasWhiteouts: false,
  };
}
