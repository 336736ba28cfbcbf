import {
  hasValidChecksum,
  MAX_PAX_RECORDS,
  parsePaxRecords,
  quoteName as quote,
  readNumber,
  readText,
  TarFormatError,
} from './tar-header.ts';

/** `old-folder` is a folder of pre-POSIX tars: a file of the type NUL whose name ends with a slash. */
export type TarEntryKind =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'char'
  | 'block'
  | 'folder'
  | 'old-folder'
  | 'fifo';

/** An entry of a tar. In `path`, `target` and `xattrs` each character is one byte, whatever the encoding. */
export interface TarEntry {
  readonly path: string;
  readonly kind: TarEntryKind;
  /** Permission bits, including set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the body; 0 for everything except files. */
  readonly size: number;
  /** Offset of the body in the tar, also when the body is empty. */
  readonly bodyStart: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** The fraction of `mtime` in nanoseconds, exactly. */
  readonly mtimeNanoseconds: number;
  /** Target of a link; '' for others. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** Receives the entries of a tar in order. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Receives a part of the last entry's body; the caller reuses the memory. */
  data(chunk: Uint8Array): void;
}

/** The end of a tar. */
export interface TarEnd {
  /** Offset of the end mark (two blocks of zeros), or of the end of the stream without one. A multiple of 512 bytes. */
  readonly entriesEnd: number;
  readonly hasEndMark: boolean;
}

const BLOCK = 512;
/** Maximum bytes of an extended header, as in Go's archive/tar, which writes or reads nearly all images. */
const MAX_EXTENDED_HEADER = 1 << 20;
const MAX_PATH = 4095;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;
const NANOSECONDS = 9;
const MAX_NAME = 255;
const XATTR = 'SCHILY.xattr.';
const KINDS: ReadonlyMap<string, TarEntryKind> = new Map([
  ['0', 'file'],
  ['\0', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'folder'],
  ['6', 'fifo'],
]);
const NOTHING: ReadonlyMap<string, string> = new Map();

/** Fields of an extended header for the next entry. */
interface Overrides {
  path?: string;
  target?: string;
  pax?: ReadonlyMap<string, string>;
}

/**
 * Parses a tar stream (ustar, pax and GNU; POSIX pax(1)) strictly: anything that other readers would skip or take for
 * the end is an error. Memory is bounded.
 */
export class TarParser {
  readonly #handler: TarHandler;
  #offset = 0;
  /** Remaining bytes of the current body, and of the padding after it. */
  #bodyLeft = 0;
  #paddingLeft = 0;
  readonly #header = Buffer.alloc(BLOCK);
  #headerLength = 0;
  #extended: { readonly type: string; readonly body: Buffer } | undefined;
  #overrides: Overrides | undefined;
  #zeroBlockAt: number | undefined;
  #ended = false;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Parses the next bytes, in pieces of any size. Throws TarFormatError, and errors of the handler. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      if (this.#bodyLeft > 0) at += this.#takeBody(chunk, at);
      else if (this.#paddingLeft > 0) {
        const taken = Math.min(this.#paddingLeft, chunk.length - at);
        this.#paddingLeft -= taken;
        this.#offset += taken;
        at += taken;
      } else at += this.#takeHeader(chunk, at);
    }
  }

  /** Whether the end mark has been read. Bytes after it are ignored. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Bytes of the current body that no handler needs: a reader of entries alone may skip them with skip(). */
  get skippable(): number {
    return this.#extended === undefined ? this.#bodyLeft : 0;
  }

  /** Skips `skippable` bytes without pushing them. */
  skip(): void {
    if (this.#extended !== undefined) return;
    this.#offset += this.#bodyLeft;
    this.#bodyLeft = 0;
  }

  /** Padding of the last block of a complete body; some writers omit it at the end. */
  get pendingPadding(): number {
    return this.#bodyLeft > 0 ? 0 : this.#paddingLeft;
  }

  /** Ends parsing after the last byte. Throws TarFormatError when the stream ended within an entry. */
  finish(): TarEnd {
    if (this.#bodyLeft > 0 || this.#paddingLeft > 0 || this.#headerLength > 0) {
      throw new TarFormatError(`it ends within an entry, at byte ${this.#offset + this.#headerLength}`);
    }
    if (this.#overrides !== undefined) {
      throw new TarFormatError('it ends after an extended header that belongs to no entry');
    }
    return { entriesEnd: this.#zeroBlockAt ?? this.#offset, hasEndMark: this.#ended };
  }

  #fail(message: string): never {
    throw new TarFormatError(`${message}, at byte ${this.#offset}`);
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.#bodyLeft);
    if (this.#extended === undefined) this.#handler.data(part);
    else this.#extended.body.set(part, this.#extended.body.length - this.#bodyLeft);
    this.#bodyLeft -= part.length;
    this.#offset += part.length;
    if (this.#bodyLeft === 0) this.#endExtended();
    return part.length;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + BLOCK - this.#headerLength);
    this.#header.set(part, this.#headerLength);
    this.#headerLength += part.length;
    if (this.#headerLength === BLOCK) {
      this.#headerLength = 0;
      this.#readHeader();
      this.#offset += BLOCK;
    }
    return part.length;
  }

  #readHeader(): void {
    const header = this.#header;
    if (header.every((byte) => byte === 0)) {
      if (this.#zeroBlockAt !== undefined) this.#ended = true;
      else this.#zeroBlockAt = this.#offset;
      return;
    }
    if (this.#zeroBlockAt !== undefined) this.#fail('a block of zeros is followed by something else');
    if (!hasValidChecksum(header)) this.#fail('a header has a wrong checksum');

    const type = String.fromCharCode(header[156] ?? 0);
    if ('xgLK'.includes(type)) {
      const size = this.#number(124, 12, 'size');
      if (size > MAX_EXTENDED_HEADER) this.#fail('an extended header is longer than 1 MiB');
      if (size < 0) this.#fail('an extended header has no valid size');
      this.#extended = { type, body: Buffer.alloc(size) };
      this.#setBody(size);
      if (size === 0) this.#endExtended();
      return;
    }
    const entry = this.#readEntry(type, this.#overrides ?? {});
    this.#overrides = undefined;
    this.#setBody(entry.size);
    this.#handler.entry(entry);
  }

  #readEntry(type: string, { path: longPath, target: longTarget, pax = NOTHING }: Overrides): TarEntry {
    const header = this.#header;
    // GNU names override pax names, and an empty record means absent, as in Go's archive/tar.
    const path = longPath ?? (pax.get('path') || headerPath(header));
    const target = longTarget ?? (pax.get('linkpath') || readText(header, 157, 100));
    const kind = KINDS.get(type);
    if (type === 'S') this.#fail(`${quote(path)} is a sparse file, which layers of images do not have`);
    if (kind === undefined) this.#fail(`${quote(path)} is of the unknown type ${quote(type)}`);
    this.#checkPath(path);
    const number = (key: string, at: number, length: number) => {
      const text = pax.get(key);
      if (text === undefined || text === '') return this.#number(at, length, key);
      const value = /^-?\d{1,15}(?:\.\d*)?$/.test(text) ? Number(text) : undefined;
      return value ?? this.#fail(`a pax header has no valid ${key}`);
    };
    const size = number('size', 124, 12);
    if (size < 0 || !Number.isSafeInteger(size)) this.#fail('an entry has no valid size');
    const uid = number('uid', 108, 8);
    const gid = number('gid', 116, 8);
    if (![uid, gid].every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 32 - 1)) {
      this.#fail('an entry has no valid owner');
    }
    // Only for this type: for other types GNU tar also makes folders, but Go's archive/tar does not.
    const actual = type === '\0' && path.endsWith('/') ? 'old-folder' : kind;
    if (size !== 0 && actual !== 'file') {
      this.#fail(`${quote(path)} is a link, folder or device with a body`);
    }
    if (isLink(actual)) this.#checkTarget(path, target);
    const mtime = number('mtime', 136, 12);
    if (!Number.isSafeInteger(Math.floor(mtime))) this.#fail('an entry has no valid mtime');
    const hasDevice = isPosix(header) || isGnu(header);
    const major = hasDevice ? this.#number(329, 8, 'device number') : 0;
    const minor = hasDevice ? this.#number(337, 8, 'device number') : 0;
    if (isDevice(actual) && !(isWithin(major, MAX_MAJOR) && isWithin(minor, MAX_MINOR))) {
      this.#fail(`${quote(path)} has no device number of Linux`);
    }
    return {
      path,
      kind: actual,
      mode: this.#number(100, 8, 'mode') & 0o7777,
      uid,
      gid,
      size,
      bodyStart: this.#offset + BLOCK,
      mtime,
      mtimeNanoseconds: nanosecondsOf(mtime, pax.get('mtime')),
      target,
      major,
      minor,
      xattrs: xattrsOf(pax),
    };
  }

  #checkPath(path: string): void {
    if (path.length > MAX_PATH) this.#fail(`an entry has a path of more than ${MAX_PATH} bytes`);
    if (path.includes('\0')) this.#fail('an entry has a path with a zero byte');
    if (path.length > MAX_NAME && path.split('/').some((name) => name.length > MAX_NAME)) {
      this.#fail(`an entry has a name of more than ${MAX_NAME} bytes`);
    }
  }

  #checkTarget(path: string, target: string): void {
    if (target === '') this.#fail(`${quote(path)} is a link to nothing`);
    if (target.length > MAX_PATH || target.includes('\0'))
      this.#fail(`${quote(path)} has an invalid link target`);
  }

  #number(at: number, length: number, what: string): number {
    return readNumber(this.#header, at, length) ?? this.#fail(`an entry has no valid ${what}`);
  }

  #setBody(size: number): void {
    this.#bodyLeft = size;
    this.#paddingLeft = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #endExtended(): void {
    const extended = this.#extended;
    if (extended === undefined) return;
    this.#extended = undefined;
    const { type, body } = extended;
    this.#overrides ??= {};
    if (type === 'L') this.#overrides.path = readText(body, 0, body.length);
    else if (type === 'K') this.#overrides.target = readText(body, 0, body.length);
    else this.#readPax(type, body, this.#overrides);
  }

  #readPax(type: string, body: Buffer, overrides: Overrides): void {
    const records = parsePaxRecords(body);
    if (records === undefined) {
      this.#fail(`a pax header is malformed, or has more than ${MAX_PAX_RECORDS} records`);
    }
    const keys = [...records.keys()];
    if (keys.some((key) => key === '' || key.includes('\0'))) this.#fail('a pax header is malformed');
    if (type === 'g') {
      if (keys.some((key) => key !== 'comment')) {
        this.#fail('it has a global pax header, which layers of images do not have');
      }
      this.#overrides = undefined;
      return;
    }
    if (keys.some((key) => key.startsWith('GNU.sparse.'))) {
      this.#fail('it has a sparse file, which layers of images do not have');
    }
    overrides.pax = records;
  }
}

function xattrsOf(pax: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  let found: Map<string, string> | undefined;
  for (const [key, value] of pax) {
    if (!key.startsWith(XATTR)) continue;
    found ??= new Map();
    found.set(key.slice(XATTR.length), value);
  }
  return found ?? NOTHING;
}

function headerPath(header: Buffer): string {
  const name = readText(header, 0, 100);
  const prefix = prefixOf(header);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function prefixOf(header: Buffer): string {
  if (isPosix(header)) {
    // star stores times after a shorter prefix.
    return readText(header, 345, header.toString('latin1', 508, 512) === 'tar\0' ? 131 : 155);
  }
  if (!isGnu(header)) return '';
  // GNU headers have times in its place, except those written by a bug in old versions of Go, which Go still reads.
  const hasTimes = [345, 357].every((at) => header[at] === 0 || readNumber(header, at, 12) !== undefined);
  if (hasTimes) return '';
  const prefix = readText(header, 345, 155);
  return /[\x80-\xff]/.test(prefix) ? '' : prefix;
}

function isPosix(header: Buffer): boolean {
  return header.toString('latin1', 257, 263) === 'ustar\0';
}

function isGnu(header: Buffer): boolean {
  return header.toString('latin1', 257, 265) === 'ustar  \0';
}

function isLink(kind: TarEntryKind): boolean {
  return kind === 'hardlink' || kind === 'symlink';
}

function isDevice(kind: TarEntryKind): boolean {
  return kind === 'char' || kind === 'block';
}

function isWithin(value: number, highest: number): boolean {
  return value >= 0 && value <= highest;
}

/** Uses the digits if there are any: a floating-point number of seconds is exact only to a tenth of a microsecond. */
function nanosecondsOf(mtime: number, text: string | undefined): number {
  if (Number.isInteger(mtime)) return 0;
  const digits = text?.split('.')[1] ?? '';
  const nanoseconds = Number(digits.slice(0, NANOSECONDS).padEnd(NANOSECONDS, '0'));
  return mtime < 0 && nanoseconds > 0 ? 1e9 - nanoseconds : nanoseconds;
}
