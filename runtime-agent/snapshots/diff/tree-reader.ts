import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Xattrs } from '../../../lib/linux/files/xattrs.ts';
import { encodeEntry, type NewTarEntry, paddingOf, TAR_END_SIZE } from '../../../lib/tar/tar-writer.ts';
import { OPAQUE_MARK, WHITEOUT_PREFIX } from '../whiteout-names.ts';
import { checkForLayer, isKept, isOpaque, isWhiteout, UnusableTreeError } from './overlay-marks.ts';
import { isPlaceholder, type Place } from './placeholders.ts';
import { namesIn, openFileAt, openFolderAt, pathAt, statAt, targetAt, xattrsAt } from './tree-files.ts';
import type { TreeMember, TreeTarRequest } from './tree-tar.ts';

const CHUNK = 1 << 20;
const MAX_PATH = 4095;
const NOTHING: ReadonlyMap<string, string> = new Map();
const ALL: TreeMember = { source: '', target: '', recursive: true };

/**
 * Writes the tar of TreeTars.read in chunks of a mebibyte, in the calling thread. Closing the generator closes its
 * descriptors.
 */
export class TreeReader {
  readonly #request: TreeTarRequest;
  readonly #xattrs: Xattrs;
  readonly #leftOut: ReadonlySet<string>;
  /** The first path of each file that has several, by device and inode. */
  readonly #links = new Map<string, string>();
  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #length = 0;

  constructor(request: TreeTarRequest, xattrs: Xattrs) {
    this.#request = request;
    this.#xattrs = xattrs;
    this.#leftOut = new Set(request.overlay?.leftOut ?? []);
  }

  *read(): Generator<Uint8Array, void, void> {
    const { folder, members = [ALL], overlay } = this.#request;
    const flags = constants.O_RDONLY | constants.O_DIRECTORY;
    const fd = openSync(typeof folder === 'number' ? `/proc/self/fd/${folder}` : folder, flags);
    try {
      const base = overlay?.base === undefined ? undefined : openSync(overlay.base, flags);
      try {
        for (const member of members) yield* this.#member({ fd, base }, member);
      } finally {
        close(base);
      }
    } finally {
      closeSync(fd);
    }
    yield* this.#zeros(TAR_END_SIZE);
    if (this.#length > 0) yield this.#chunk.subarray(0, this.#length);
  }

  *#member(root: Place, member: TreeMember): Generator<Uint8Array, void, void> {
    const names = latin1(member.source).split('/');
    // The kernel would take it for the folder above the tree.
    if (names.includes('..')) throw notThere(member);
    const last = names.pop() ?? '';
    const target = latin1(member.target);
    const opened: number[] = [];
    let place = root;
    try {
      for (const name of names) {
        const fd = openFolderAt(place.fd, name);
        if (fd === undefined) throw notThere(member);
        opened.push(fd);
        const base = openBase(place, name);
        if (base !== undefined) opened.push(base);
        place = { fd, base };
      }
      if (last === '') yield* this.#self(root, target, member.recursive);
      else if (statAt(place.fd, last) === undefined) throw notThere(member);
      else yield* this.#entry(place, last, target, member.recursive);
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  /** Yields the tree's own folder as a member. */
  *#self(root: Place, target: string, recursive: boolean): Generator<Uint8Array, void, void> {
    if (target !== '') {
      const stat = fstatSync(root.fd, { bigint: true });
      yield* this.#header(stat, {
        path: target,
        kind: 'folder',
        xattrs: this.#xattrs.read(pathAt(root.fd, '.')),
      });
    }
    if (recursive) yield* this.#inside(root, target);
  }

  *#inside(place: Place, path: string): Generator<Uint8Array, void, void> {
    for (const name of namesIn(place.fd)) {
      yield* this.#entry(
        place,
        name,
        path === '' || path.endsWith('/') ? `${path}${name}` : `${path}/${name}`,
        true,
      );
    }
  }

  *#entry(place: Place, name: string, path: string, recursive: boolean): Generator<Uint8Array, void, void> {
    const stat = statAt(place.fd, name);
    if (stat === undefined || stat.isSocket()) return;
    if (isPlaceholder(place, name, path, this.#leftOut)) return;
    if (path.length > MAX_PATH) {
      throw new UnusableTreeError(
        `a path is longer than ${MAX_PATH} bytes, which no layer can contain: ${shown(path)}…`,
      );
    }
    const xattrs = xattrsAt(this.#xattrs, place.fd, name);
    if (xattrs === undefined) return;
    if (this.#request.overlay !== undefined) {
      if (isWhiteout(stat, xattrs)) {
        yield* this.#whiteout(place, name, path);
        return;
      }
      checkForLayer(path, name, xattrs);
    }
    if (stat.isDirectory()) yield* this.#folder(place, name, path, stat, xattrs, recursive);
    else yield* this.#leaf(place, name, path, stat, xattrs);
  }

  *#folder(
    place: Place,
    name: string,
    path: string,
    stat: BigIntStats,
    xattrs: ReadonlyMap<string, string>,
    recursive: boolean,
  ): Generator<Uint8Array, void, void> {
    const fd = openFolderAt(place.fd, name);
    if (fd === undefined) return;
    try {
      yield* this.#header(stat, { path, kind: 'folder', xattrs });
      const below = openBase(place, name);
      try {
        const opaque = this.#request.overlay !== undefined && isOpaque(xattrs);
        if (opaque && (below !== undefined || this.#request.overlay?.base === undefined)) {
          yield* this.#mark(`${path}/${OPAQUE_MARK}`);
        }
        if (recursive) yield* this.#inside({ fd, base: opaque ? undefined : below }, path);
      } finally {
        close(below);
      }
    } finally {
      closeSync(fd);
    }
  }

  *#leaf(
    place: Place,
    name: string,
    path: string,
    stat: BigIntStats,
    xattrs: ReadonlyMap<string, string>,
  ): Generator<Uint8Array, void, void> {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = stat.nlink > 1n ? this.#links.get(inode) : undefined;
    if (first !== undefined) {
      yield* this.#header(stat, { path, kind: 'hardlink', target: first });
      return;
    }
    if (stat.isFile()) {
      const fd = openFileAt(place.fd, name);
      if (fd === undefined) return;
      try {
        const actual = fstatSync(fd, { bigint: true });
        yield* this.#header(actual, { path, kind: 'file', size: Number(actual.size), xattrs });
        yield* this.#body(fd, Number(actual.size));
      } finally {
        closeSync(fd);
      }
    } else if (stat.isSymbolicLink()) {
      const target = targetAt(place.fd, name);
      if (target === undefined) return;
      yield* this.#header(stat, { path, kind: 'symlink', target, xattrs });
    } else {
      const kind = stat.isFIFO() ? 'fifo' : stat.isBlockDevice() ? 'block' : 'char';
      yield* this.#header(stat, { path, kind, xattrs });
    }
    if (stat.nlink > 1n) this.#links.set(inode, path);
  }

  *#whiteout(place: Place, name: string, path: string): Generator<Uint8Array, void, void> {
    const hidesNothing = place.base === undefined || statAt(place.base, name) === undefined;
    if (this.#request.overlay?.base !== undefined && hidesNothing) return;
    yield* this.#mark(`${path.slice(0, path.length - name.length)}${WHITEOUT_PREFIX}${name}`);
  }

  *#mark(path: string): Generator<Uint8Array, void, void> {
    const rest = { kind: 'file', target: '', size: 0, major: 0, minor: 0, xattrs: NOTHING } as const;
    yield* this.#put(encodeEntry({ ...rest, path, mode: 0o600, uid: 0, gid: 0, mtime: 0 }));
  }

  *#header(
    stat: BigIntStats,
    own: Pick<NewTarEntry, 'path' | 'kind'> & Partial<Pick<NewTarEntry, 'target' | 'size' | 'xattrs'>>,
  ): Generator<Uint8Array, void, void> {
    const { owner, mode, latest = Number.POSITIVE_INFINITY } = this.#request;
    const isDevice = own.kind === 'char' || own.kind === 'block';
    yield* this.#put(
      encodeEntry({
        path: own.path,
        kind: own.kind,
        target: own.target ?? '',
        size: own.size ?? 0,
        mode: own.kind === 'symlink' ? 0o777 : (mode ?? Number(stat.mode & 0o7777n)),
        uid: owner?.uid ?? Number(stat.uid),
        gid: owner?.gid ?? Number(stat.gid),
        mtime: Math.min(Math.floor(Number(stat.mtimeNs / 1_000_000n) / 1000), latest),
        major: isDevice ? majorOf(stat.rdev) : 0,
        minor: isDevice ? minorOf(stat.rdev) : 0,
        xattrs: new Map([...(own.xattrs ?? NOTHING)].filter(([name]) => isKept(name))),
      }),
    );
  }

  *#body(fd: number, size: number): Generator<Uint8Array, void, void> {
    for (let left = size; left > 0; ) {
      if (this.#length === CHUNK) yield this.#take();
      const length = readSync(fd, this.#chunk, this.#length, Math.min(left, CHUNK - this.#length), null);
      if (length === 0) {
        yield* this.#zeros(left);
        break;
      }
      this.#length += length;
      left -= length;
    }
    yield* this.#zeros(paddingOf(size));
  }

  *#put(bytes: Buffer): Generator<Uint8Array, void, void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#length === CHUNK) yield this.#take();
      const copied = bytes.copy(this.#chunk, this.#length, at);
      this.#length += copied;
      at += copied;
    }
  }

  *#zeros(count: number): Generator<Uint8Array, void, void> {
    for (let left = count; left > 0; ) {
      if (this.#length === CHUNK) yield this.#take();
      const length = Math.min(left, CHUNK - this.#length);
      this.#chunk.fill(0, this.#length, this.#length + length);
      this.#length += length;
      left -= length;
    }
  }

  /** Returns the full chunk for the reader. */
  #take(): Uint8Array {
    const full = this.#chunk;
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK);
    this.#length = 0;
    return full;
  }
}

function openBase(place: Place, name: string): number | undefined {
  return place.base === undefined ? undefined : openFolderAt(place.base, name);
}

function close(fd: number | undefined): void {
  if (fd !== undefined) closeSync(fd);
}

function notThere(member: TreeMember): Error {
  return Object.assign(new Error(`there is no ${JSON.stringify(member.source)} in the folder`), {
    code: 'ENOENT',
  });
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString('utf8').slice(0, 200));
}

/** Splits a device number as glibc's gnu_dev_major and gnu_dev_minor do. */
function majorOf(rdev: bigint): number {
  return Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n));
}

function minorOf(rdev: bigint): number {
  return Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n));
}
