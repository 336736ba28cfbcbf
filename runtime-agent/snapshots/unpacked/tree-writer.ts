import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  type Stats,
  statfsSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { fileTime } from '../../../lib/linux/files/file-size.ts';
import type { TreeCalls } from '../../../lib/linux/files/tree-calls.ts';
import { quoteName, TarFormatError } from '../../../lib/tar/tar-header.ts';
import type { TarEntry, TarHandler } from '../../../lib/tar/tar-parser.ts';
import { namesOf, StepCount } from '../entry-path.ts';
import { keptXattrs, tooMany } from '../layer-xattrs.ts';
import { readMark, WHITEOUT_PREFIX } from '../whiteout-names.ts';
import { type FoundNode, type KnownNode, KnownTree } from './known-tree.ts';

const NODE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

const ACL = 'system.posix_acl_access';
const DEFAULT_ACL = 'system.posix_acl_default';

/**
 * Maximum folders of a layer: a name of 4 kB can require 2,000 of them, and the time of each is in memory until the
 * end.
 */
const MAX_FOLDERS = 1_000_000;

/**
 * Makes the entries of a layer in the root folder of this process, with whiteouts and opaque marks in overlay's form.
 * Paths are handled as bytes.
 */
export class TreeWriter implements TarHandler {
  readonly #calls: TreeCalls;
  readonly #tree = new KnownTree(look, new StepCount());
  /** Number of folders created, with or without an entry. */
  #folders = 0;
  /** Whether some folder has default ACLs, which its entries inherit. */
  #handsAclsOn = false;
  #open: { readonly fd: number; left: number; readonly path: Buffer; readonly entry: TarEntry } | undefined;
  /**
   * A folder's time is set at the end: creating entries in it changes it. Another folder may be at its path by then.
   */
  readonly #folderTimes = new Map<string, { readonly mtime: number; readonly ino: number | undefined }>();

  constructor(calls: TreeCalls) {
    this.#calls = calls;
  }

  entry(given: TarEntry): void {
    const entry: TarEntry = given.kind === 'old-folder' ? { ...given, kind: 'folder' } : given;
    const names = namesOf(entry.path);
    const name = names.at(-1);
    if (name === undefined) {
      if (entry.kind !== 'folder') throw new TarFormatError('its root is not a folder');
      this.#setAttributes(bytes('/'), entry);
      return;
    }
    const parent = this.#ensureParent(names.slice(0, -1), entry.path);
    const mark = readMark(name);
    if (mark === undefined) {
      this.#tree.forget(parent, name);
      this.#make(join(parent.path, name), entry);
    } else if (mark.kind === 'opaque') this.#hideBelow(parent.path);
    else if (mark.kind === 'whiteout') this.#whiteOut(parent.path, mark.deleted);
  }

  data(chunk: Uint8Array): void {
    const file = this.#open;
    if (file === undefined) return;
    for (let at = 0; at < chunk.length; ) at += writeSync(file.fd, chunk, at);
    file.left -= chunk.length;
    if (file.left === 0) this.#closeFile();
  }

  /** Must be called after the last entry. */
  finish(): void {
    for (const [path, { mtime, ino }] of this.#folderTimes) {
      if (statOf(bytes(path))?.ino === ino) setTime(bytes(path), mtime);
    }
  }

  /** Creates folders that have no entry, or whose entry has not come yet. */
  #ensureParent(names: readonly string[], entry: string): KnownNode {
    let node = this.#tree.root;
    for (const name of this.#follow(names, entry)) {
      node = this.#tree.childOf(node, name);
      const { kind } = this.#tree.find(node);
      if (kind === 'folder') continue;
      // Links may have led to a name that no entry may have.
      if (name.startsWith(WHITEOUT_PREFIX)) {
        throw new TarFormatError(
          `${quoteName(entry)} lies in ${quoteName(name)}, which cannot name a folder`,
        );
      }
      const path = bytes(node.path);
      if (kind === 'nothing') this.#makeFolder(path, 0o755);
      else if (kind === 'whiteout') this.#replaceByFolder(path, 0o755);
      else throw new TarFormatError(`${quoteName(entry)} lies in ${quoteName(name)}, which is not a folder`);
      this.#removeAcls(path);
      chmodSync(path, 0o755);
      this.#tree.setFolder(node);
    }
    return node;
  }

  #makeFolder(path: Buffer, mode: number): void {
    this.#folders += 1;
    if (this.#folders > MAX_FOLDERS) throw new TarFormatError(`it has more than ${MAX_FOLDERS} folders`);
    mkdirSync(path, { mode });
  }

  #follow(names: readonly string[], entry: string): readonly string[] {
    const followed = this.#tree.follow(names);
    if (followed !== undefined) return followed;
    throw new TarFormatError(`the links on the way to ${quoteName(entry)} never end`);
  }

  #hideBelow(folder: string): void {
    if (folder === '/') throw new TarFormatError('it hides all layers below it, which is not supported');
    this.#calls.setXattr(bytes(folder), bytes('trusted.overlay.opaque'), bytes('y'));
  }

  /**
   * Replaces an entry by a folder. A layer that deletes a name, or has something else there, and then a folder of that
   * name hides the folders below.
   */
  #replaceByFolder(path: Buffer, mode: number): void {
    rmSync(path);
    this.#makeFolder(path, mode);
    this.#calls.setXattr(path, bytes('trusted.overlay.opaque'), bytes('y'));
  }

  #whiteOut(parent: string, name: string): void {
    const path = bytes(join(parent, name));
    const existing = statOf(path);
    if (existing !== undefined) {
      // An entry of this layer stays: the whiteout is for lower layers.
      if (existing.isDirectory()) this.#calls.setXattr(path, bytes('trusted.overlay.opaque'), bytes('y'));
      return;
    }
    this.#calls.makeNode(path, NODE_TYPES.char, 0, 0);
    this.#hasWhiteouts(parent);
  }

  /**
   * Marks a folder that contains whiteouts, so that overlay omits them when it lists a folder that only this layer has.
   */
  #hasWhiteouts(folder: string): void {
    this.#calls.setXattr(bytes(folder), bytes('trusted.overlay.origin'), bytes(''));
  }

  #make(text: string, entry: TarEntry): void {
    const path = bytes(text);
    const existing = statOf(path);
    const isFolder = entry.kind === 'folder';
    if (existing !== undefined && isFolder && !existing.isDirectory()) this.#replaceByFolder(path, 0o700);
    else if (existing !== undefined && !isFolder) rmSync(path, { recursive: true });
    switch (entry.kind) {
      case 'folder':
        if (statOf(path) === undefined) this.#makeFolder(path, 0o700);
        break;
      case 'file': {
        const fd = openSync(path, 'wx', 0o600);
        this.#open = { fd, left: entry.size, path, entry };
        if (entry.size === 0) this.#closeFile();
        return;
      }
      case 'hardlink':
        this.#link(entry, path);
        return;
      case 'symlink':
        symlinkSync(bytes(entry.target), path);
        break;
      case 'char':
      case 'block':
      case 'fifo':
        this.#calls.makeNode(path, NODE_TYPES[entry.kind] | 0o600, entry.major, entry.minor);
        // Overlay takes every device 0, 0 for a whiteout.
        if (entry.kind === 'char' && entry.major === 0 && entry.minor === 0)
          this.#hasWhiteouts(folderOf(text));
        break;
      case 'old-folder':
        return;
    }
    this.#setAttributes(path, entry);
    if (entry.kind === 'folder') {
      this.#folderTimes.set(text, { mtime: entry.mtime, ino: statOf(path)?.ino });
    }
  }

  #link({ path, target }: TarEntry, at: Buffer): void {
    const names = namesOf(target);
    const folder = this.#follow(names.slice(0, -1), path).reduce(join, '/');
    const linked = bytes(join(folder, names.at(-1) ?? ''));
    const existing = statOf(linked);
    if (existing === undefined || existing.isDirectory() || isWhiteout(existing)) {
      const what = existing?.isDirectory() === true ? 'which is a folder' : 'which it does not have';
      throw new TarFormatError(`${quoteName(path)} is a hard link to ${quoteName(target)}, ${what}`);
    }
    linkSync(linked, at);
  }

  #closeFile(): void {
    const file = this.#open;
    if (file === undefined) return;
    this.#open = undefined;
    closeSync(file.fd);
    this.#setAttributes(file.path, file.entry);
  }

  #setAttributes(path: Buffer, entry: TarEntry): void {
    // In this order: a change of owner removes set-uid bits and capabilities.
    lchownSync(path, entry.uid, entry.gid);
    if (entry.kind !== 'symlink') {
      this.#removeAcls(path);
      chmodSync(path, entry.mode);
    }
    for (const [name, value] of keptXattrs(entry)) {
      this.#setXattr(path, name, value, entry.path);
      if (name === DEFAULT_ACL) this.#handsAclsOn = true;
    }
    setTime(path, entry.mtime);
  }

  /** Removes inherited ACLs, as the tree contains only what the entries state. */
  #removeAcls(path: Buffer): void {
    if (!this.#handsAclsOn) return;
    for (const name of [ACL, DEFAULT_ACL]) this.#calls.removeXattr(path, bytes(name));
  }

  #setXattr(path: Buffer, name: string, value: string, entry: string): void {
    try {
      this.#calls.setXattr(path, bytes(name), bytes(value));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Many file systems report ENOSPC also for the limit of one file.
      if (code === 'E2BIG' || (code === 'ENOSPC' && statfsSync('/').bavail > 0)) throw tooMany(entry);
      throw error;
    }
  }
}

function join(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Returns undefined if nothing exists there, or can exist. */
function statOf(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function look(path: string): FoundNode {
  const stats = statOf(bytes(path));
  if (stats === undefined) return { kind: 'nothing' };
  if (stats.isDirectory()) return { kind: 'folder' };
  if (isWhiteout(stats)) return { kind: 'whiteout' };
  if (!stats.isSymbolicLink()) return { kind: 'other' };
  return { kind: 'link', target: readlinkSync(bytes(path), 'buffer').toString('latin1') };
}

function setTime(path: Buffer, mtime: number): void {
  const time = fileTime(mtime);
  lutimesSync(path, time, time);
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
