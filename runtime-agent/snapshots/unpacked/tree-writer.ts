import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs';
import type { TreeCalls } from '../../linux/tree-calls.ts';
import type { TarEntry, TarHandler } from '../tar-parser.ts';
import { AUFS_PREFIX, OPAQUE_MARK, WHITEOUT_PREFIX } from '../whiteout-names.ts';

const NODE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/**
 * Makes the entries of a layer in the root folder of this process, with whiteouts and opaque marks as overlay wants
 * them. Paths are handled as bytes.
 */
export class TreeWriter implements TarHandler {
  readonly #calls: TreeCalls;
  #open: { readonly fd: number; left: number; readonly path: Buffer; readonly entry: TarEntry } | undefined;
  /** A folder's time is set at the end: what is made in it changes it. */
  readonly #folderTimes = new Map<string, number>();

  constructor(calls: TreeCalls) {
    this.#calls = calls;
  }

  entry(given: TarEntry): void {
    const entry: TarEntry = given.kind === 'old-folder' ? { ...given, kind: 'folder' } : given;
    const names = namesOf(entry.path);
    const name = names.at(-1);
    if (name === undefined) {
      this.#setAttributes(bytes('/'), entry);
      return;
    }
    const parent = this.#ensureParent(names.slice(0, -1));
    if (name === OPAQUE_MARK)
      this.#calls.setXattr(bytes(parent), bytes('trusted.overlay.opaque'), bytes('y'));
    else if (name.startsWith(AUFS_PREFIX)) return;
    else if (name.startsWith(WHITEOUT_PREFIX)) this.#whiteOut(parent, name.slice(WHITEOUT_PREFIX.length));
    else this.#make(join(parent, name), entry);
  }

  data(chunk: Uint8Array): void {
    const file = this.#open;
    if (file === undefined) return;
    for (let at = 0; at < chunk.length; ) at += writeSync(file.fd, chunk, at);
    file.left -= chunk.length;
    if (file.left === 0) this.#closeFile();
  }

  /** Call it after the last entry. */
  finish(): void {
    for (const [path, mtime] of this.#folderTimes) {
      if (statOf(bytes(path))?.isDirectory() === true) lutimesSync(bytes(path), mtime, mtime);
    }
  }

  /** Makes the folders of which no entry has told, or not yet. */
  #ensureParent(names: readonly string[]): string {
    let path = '/';
    for (const name of names) {
      path = join(path, name);
      const existing = statOf(bytes(path));
      if (existing === undefined) mkdirSync(bytes(path), { mode: 0o755 });
      else if (isWhiteout(existing)) this.#replaceWhiteout(bytes(path), 0o755);
    }
    return path;
  }

  /** A layer that deletes a folder and has one of that name shows nothing of the folders below. */
  #replaceWhiteout(path: Buffer, mode: number): void {
    rmSync(path);
    mkdirSync(path, { mode });
    this.#calls.setXattr(path, bytes('trusted.overlay.opaque'), bytes('y'));
  }

  #whiteOut(parent: string, name: string): void {
    const path = bytes(join(parent, name));
    const existing = statOf(path);
    if (existing !== undefined) {
      // An entry of this layer stays: the whiteout is for those below.
      if (existing.isDirectory()) this.#calls.setXattr(path, bytes('trusted.overlay.opaque'), bytes('y'));
      return;
    }
    this.#calls.makeNode(path, NODE_TYPES.char, 0, 0);
    // With it overlay leaves whiteouts out of the list of a folder that only this layer has.
    this.#calls.setXattr(bytes(parent), bytes('trusted.overlay.origin'), bytes(''));
  }

  #make(text: string, entry: TarEntry): void {
    const path = bytes(text);
    const existing = statOf(path);
    const isFolder = entry.kind === 'folder';
    if (existing !== undefined && isFolder && isWhiteout(existing)) this.#replaceWhiteout(path, 0o700);
    else if (existing !== undefined && !(existing.isDirectory() && isFolder)) {
      rmSync(path, { recursive: true });
    }
    switch (entry.kind) {
      case 'folder':
        if (statOf(path) === undefined) mkdirSync(path, { mode: 0o700 });
        break;
      case 'file': {
        const fd = openSync(path, 'wx', 0o600);
        this.#open = { fd, left: entry.size, path, entry };
        if (entry.size === 0) this.#closeFile();
        return;
      }
      case 'hardlink':
        linkSync(bytes(`/${namesOf(entry.target).join('/')}`), path);
        return;
      case 'symlink':
        symlinkSync(bytes(entry.target), path);
        break;
      case 'char':
      case 'block':
      case 'fifo':
        this.#calls.makeNode(path, NODE_TYPES[entry.kind] | 0o600, entry.major, entry.minor);
        break;
      case 'old-folder':
        return;
    }
    this.#setAttributes(path, entry);
    if (entry.kind === 'folder') this.#folderTimes.set(text, entry.mtime);
  }

  #closeFile(): void {
    const file = this.#open;
    if (file === undefined) return;
    this.#open = undefined;
    closeSync(file.fd);
    this.#setAttributes(file.path, file.entry);
  }

  #setAttributes(path: Buffer, entry: TarEntry): void {
    // In this order: a change of owner takes set-uid bits and capabilities away.
    lchownSync(path, entry.uid, entry.gid);
    if (entry.kind !== 'symlink') chmodSync(path, entry.mode);
    for (const [name, value] of entry.xattrs) {
      // Overlay would take these for its own: only whiteout entries may make them.
      if (!name.startsWith('trusted.overlay.')) this.#calls.setXattr(path, bytes(name), bytes(value));
    }
    lutimesSync(path, entry.mtime, entry.mtime);
  }
}

/** The names on a path below the root; `..` goes up as far as that. */
function namesOf(path: string): readonly string[] {
  const names: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') names.pop();
    else if (part !== '' && part !== '.') names.push(part);
  }
  return names;
}

function join(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function statOf(path: Buffer): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isWhiteout(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0;
}
