import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { loadXattrs, type Xattrs } from '../../../lib/linux/files/xattrs.ts';
import { isKept } from '../../snapshots/diff/overlay-marks.ts';
import type { FileEntry, FileTree, TreeEntry } from './file-tree.ts';
import { readPieces } from './read-pieces.ts';

/** Files of a folder of this host. Callers resolve links in the tree first, so a path never contains one. */
export class FolderTree implements FileTree {
  readonly #root: string;
  readonly #release: () => Promise<void>;
  #xattrs: Xattrs | undefined;

  constructor(root: string, release: () => Promise<void>) {
    this.#root = root;
    this.#release = release;
  }

  async entry(path: string): Promise<TreeEntry | undefined> {
    let stat: Stats;
    try {
      stat = await lstat(this.#path(path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
    const common = {
      path,
      mode: stat.mode & 0o7777,
      uid: stat.uid,
      gid: stat.gid,
      mtime: Math.floor(stat.mtimeMs / 1000),
    };
    if (stat.isFile()) {
      const inode = stat.nlink > 1 ? { inode: `${stat.dev} ${stat.ino}` } : {};
      return { ...common, kind: 'file', size: stat.size, ...inode };
    }
    if (stat.isDirectory()) return { ...common, kind: 'folder' };
    if (stat.isSymbolicLink()) {
      return { ...common, kind: 'symlink', target: await readlink(this.#path(path), { encoding: 'latin1' }) };
    }
    if (stat.isFIFO()) return { ...common, kind: 'fifo' };
    if (stat.isSocket()) return undefined;
    const kind = stat.isBlockDevice() ? 'block' : 'char';
    return { ...common, kind, major: majorOf(stat.rdev), minor: minorOf(stat.rdev) };
  }

  async children(path: string): Promise<readonly string[]> {
    try {
      return (await readdir(this.#path(path), { encoding: 'latin1' })).sort();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return [];
      throw error;
    }
  }

  read(file: FileEntry): AsyncIterable<Uint8Array> {
    return readPieces(this.#path(file.path), file.size);
  }

  async contentDigest(file: FileEntry, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    for await (const piece of readPieces(this.#path(file.path), file.size, signal)) hash.update(piece);
    return hash.digest('hex');
  }

  async xattrs(path: string): Promise<ReadonlyMap<string, string>> {
    this.#xattrs ??= loadXattrs();
    const all = this.#xattrs.read(this.#path(path));
    return all.size === 0 ? all : new Map([...all].filter(([name]) => isKept(name)));
  }

  async release(): Promise<void> {
    await this.#release();
  }

  #path(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`, 'utf8'), Buffer.from(path, 'latin1')]);
  }
}

/** Splits a device number as glibc's gnu_dev_major and gnu_dev_minor do. */
function majorOf(rdev: number): number {
  return Number((BigInt(rdev) >> 8n) & 0xfffn);
}

function minorOf(rdev: number): number {
  return Number((BigInt(rdev) & 0xffn) | ((BigInt(rdev) >> 12n) & 0xffffff00n));
}
