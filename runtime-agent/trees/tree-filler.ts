import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { fileTime } from '../../lib/linux/files/file-size.ts';
import { type InRoot, O_PATH } from '../../lib/linux/files/in-root.ts';
import type { TreeCalls } from '../../lib/linux/files/tree-calls.ts';
import type { TarEntry, TarHandler } from '../../lib/tar/tar-parser.ts';
import { namesIn, openFolderAt, pathAt, statAt } from '../snapshots/diff/tree-files.ts';

const NODE_TYPES = { char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

/** The tar needs something that the client did not allow, or escapes its folder; the message says what. */
export class UnusableEntryError extends Error {
  override readonly name = 'UnusableEntryError';
}

/** The folder in which a tar is unpacked. Each character of a path is one byte. */
export interface FillRequest {
  /** Descriptor of the folder that no path escapes. */
  readonly root: number;
  /** Path of the folder in it. */
  readonly folder: string;
  readonly noOverwriteDirNonDir: boolean;
  /** Whether an entry of the folder itself sets its owner, mode, attributes and time. Otherwise it stays unchanged. */
  readonly includesFolder?: boolean;
  /** Owner of all entries, in place of their own. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Unpacks a tar into a tree with running processes, as `docker cp` does: links on the way are followed inside the root,
 * conflicting entries are replaced, folders are merged, whiteout names are ordinary. Each step uses descriptors, so
 * that replacing a folder by a link has no effect.
 */
export class TreeFiller implements TarHandler {
  readonly #request: FillRequest;
  readonly #inRoot: InRoot;
  readonly #calls: TreeCalls;
  #file: { readonly fd: number; left: number; readonly entry: TarEntry } | undefined;
  /** A folder's time is set at the end: creating entries in it changes it. */
  readonly #folderTimes = new Map<string, number>();

  constructor(request: FillRequest, inRoot: InRoot, calls: TreeCalls) {
    this.#request = request;
    this.#inRoot = inRoot;
    this.#calls = calls;
  }

  entry(entry: TarEntry): void {
    const names = namesOf(entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (this.#request.includesFolder === true && isFolderEntry(entry)) this.#changeFolder(entry);
      return;
    }
    const parent = this.#openParent(names);
    try {
      this.#clear(parent, name, entry);
      this.#make(parent, name, entry);
    } finally {
      closeSync(parent);
    }
    if (entry.kind === 'folder') this.#folderTimes.set([...names, name].join('/'), entry.mtime);
  }

  data(chunk: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    for (let at = 0; at < chunk.length; ) at += writeSync(file.fd, chunk, at);
    file.left -= chunk.length;
    if (file.left === 0) this.#endFile();
  }

  /** Must be called after the last entry. */
  finish(): void {
    for (const [path, mtime] of this.#folderTimes) {
      const fd = this.#open(path, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        futimesSync(fd, fileTime(mtime), fileTime(mtime));
      } finally {
        closeSync(fd);
      }
    }
  }

  /** Closes everything, in any state. */
  stop(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file.fd);
  }

  /** Opens the folder of an entry, creating missing ones. */
  #openParent(names: readonly string[]): number {
    const flags = O_PATH | constants.O_DIRECTORY;
    try {
      return this.#open(names.join('/'), flags);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || names.length === 0) throw error;
    }
    const above = this.#openParent(names.slice(0, -1));
    try {
      mkdirSync(pathAt(above, names.at(-1) ?? ''), { mode: 0o755 });
    } finally {
      closeSync(above);
    }
    return this.#open(names.join('/'), flags);
  }

  #changeFolder(entry: TarEntry): void {
    const fd = this.#open('', constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      this.#setAttributes(fd, undefined, entry);
    } finally {
      closeSync(fd);
    }
    this.#folderTimes.set('', entry.mtime);
  }

  /** Removes the file that an entry replaces. */
  #clear(parent: number, name: string, entry: TarEntry): void {
    const existing = statAt(parent, name);
    if (existing === undefined) return;
    const isFolder = isFolderEntry(entry);
    if (existing.isDirectory() && isFolder) return;
    if (this.#request.noOverwriteDirNonDir && existing.isDirectory() !== isFolder) {
      const [there, new_] = isFolder ? ['non-directory', 'directory'] : ['directory', 'non-directory'];
      const path = shown(`${this.#request.folder}/${entry.path}`.replaceAll(/\/+/g, '/').replace(/\/$/, ''));
      throw new UnusableEntryError(
        `cannot overwrite ${there} ${path} with ${new_} ${shown(this.#request.folder)}`,
      );
    }
    removeAt(parent, name);
  }

  #make(parent: number, name: string, entry: TarEntry): void {
    const path = pathAt(parent, name);
    switch (entry.kind) {
      case 'folder':
      case 'old-folder': {
        if (statAt(parent, name) === undefined) mkdirSync(path, { mode: 0o700 });
        const fd = openFolderAt(parent, name);
        if (fd === undefined)
          throw new UnusableEntryError(`${shown(entry.path)} was changed while it was being created`);
        try {
          this.#setAttributes(fd, path, entry);
        } finally {
          closeSync(fd);
        }
        return;
      }
      case 'file': {
        const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
        const fd = openSync(path, flags, 0o600);
        this.#file = { fd, left: entry.size, entry };
        if (entry.size === 0) this.#endFile();
        return;
      }
      case 'hardlink':
        this.#link(path, entry);
        return;
      case 'symlink':
        symlinkSync(Buffer.from(entry.target, 'latin1'), path);
        this.#own(path, entry);
        lutimesSync(path, fileTime(entry.mtime), fileTime(entry.mtime));
        return;
      default:
        this.#calls.makeNode(path, NODE_TYPES[entry.kind] | 0o600, entry.major, entry.minor);
        this.#own(path, entry);
        this.#setNodeMode(path, entry.mode);
        lutimesSync(path, fileTime(entry.mtime), fileTime(entry.mtime));
    }
  }

  #link(path: Buffer, entry: TarEntry): void {
    const names = namesOf(entry.target);
    const name = names.pop() ?? '';
    const folder = this.#open(names.join('/'), O_PATH | constants.O_DIRECTORY);
    try {
      linkSync(pathAt(folder, name), path);
    } finally {
      closeSync(folder);
    }
  }

  #endFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      this.#setAttributes(file.fd, undefined, file.entry);
      futimesSync(file.fd, fileTime(file.entry.mtime), fileTime(file.entry.mtime));
    } finally {
      closeSync(file.fd);
    }
  }

  #setAttributes(fd: number, path: Buffer | undefined, entry: TarEntry): void {
    const { uid, gid } = this.#request.owner ?? entry;
    // In this order: a change of owner removes set-uid bits and capabilities.
    fchownSync(fd, uid, gid);
    fchmodSync(fd, entry.mode);
    for (const [name, value] of entry.xattrs) {
      if (name.startsWith('trusted.overlay.')) continue;
      this.#setXattr(path ?? fd, Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1'));
    }
  }

  /** Attributes that a file system does not support are skipped, as in dockerd. */
  #setXattr(file: Buffer | number, name: Buffer, value: Buffer): void {
    try {
      if (typeof file === 'number') this.#calls.setDescriptorXattr(file, name, value);
      else this.#calls.setXattr(file, name, value);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error;
    }
  }

  #own(path: Buffer, entry: TarEntry): void {
    const { uid, gid } = this.#request.owner ?? entry;
    lchownSync(path, uid, gid);
  }

  /** Sets the mode by a method that follows no link: chmod(2) would follow one that has replaced the node. */
  #setNodeMode(path: Buffer, mode: number): void {
    const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
    try {
      if (!fstatSync(fd).isSymbolicLink()) chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeSync(fd);
    }
  }

  #open(path: string, flags: number): number {
    return this.#inRoot.open(this.#request.root, `${this.#request.folder}/${path}`, flags);
  }
}

/** Removes a file, or a folder with everything in it, without following a link. */
function removeAt(parent: number, name: string): void {
  try {
    unlinkSync(pathAt(parent, name));
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    if (code !== 'EISDIR' && code !== 'EPERM') throw error;
  }
  const folder = openFolderAt(parent, name);
  if (folder === undefined) throw new UnusableEntryError(`${shown(name)} cannot be replaced`);
  try {
    for (const inside of namesIn(folder)) removeAt(folder, inside);
  } finally {
    closeSync(folder);
  }
  rmdirSync(pathAt(parent, name));
}

/** Returns the names of an entry's path below its folder. Throws UnusableEntryError for one that escapes it. */
function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (names.pop() === undefined) throw new UnusableEntryError(`${shown(path)} is outside the folder`);
    } else if (part !== '' && part !== '.') names.push(part);
  }
  return names;
}

function isFolderEntry({ kind }: TarEntry): boolean {
  return kind === 'folder' || kind === 'old-folder';
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString('utf8').slice(0, 500));
}
