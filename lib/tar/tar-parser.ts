import {
  hasValidChecksum,
  MAX_PAX_RECORDS,
  parsePaxRecords,
  quoteName as quote,
  readNumber,
  readText,
  TarFormatError,
} from './tar-header.ts';

/** `old-folder` is a folder as tars before POSIX have it: a file of the type NUL whose name ends with a slash. */
export type TarEntryKind =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'char'
  | 'block'
  | 'folder'
  | 'old-folder'
  | 'fifo';

/** An entry of a tar. In `path`, `target` and `xattrs` each character is one byte, whatever encoding was meant. */
export interface TarEntry {
  readonly path: string;
  readonly kind: TarEntryKind;
  /** Permission bits, with set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the body; 0 for all but files. */
  readonly size: number;
  /** Where the body begins in the tar, or would. */
  readonly bodyStart: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** The part of `mtime` after its whole seconds, exactly. */
  readonly mtimeNanoseconds: number;
  /** Of links; '' for others. */
  readonly target: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** Who is told of what a tar holds, in its order. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** A part of the body of the last entry; the memory is the caller's. */
  data(chunk: Uint8Array): void;
}

/** How a tar ended. */
export interface TarEnd {
  /** Where the end mark (two blocks of zeros) begins, or where the stream ended without one. Bytes, a multiple of 512. */
  readonly entriesEnd: number;
  readonly hasEndMark: boolean;
}

const BLOCK = 512;
/** As Go's archive/tar, which every builder of images uses or is read by. */
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

/** What an extended header says about the entry after it. */
interface Overrides {
  path?: string;
  target?: string;
  pax?: ReadonlyMap<string, string>;
}

/**
 * Reads a tar while it streams by (ustar, pax and GNU; POSIX pax(1)), strictly: what other readers would leave out
 * or take for the end is an error. Memory is bounded.
 */
export class TarParser {
  readonly #handler: TarHandler;
  #offset = 0;
  /** Bytes of the current body that are still to come, and of the padding behind it. */
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

  /** Takes the next bytes, in pieces of any size. Throws TarFormatError, and what the handler throws. */
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

  /** Whether the end mark has been read. The bytes after it are ignored. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Bytes of the current body that no handler needs to see: a reader of entries alone may go past them with skip(). */
  get skippable(): number {
    return this.#extended === undefined ? this.#bodyLeft : 0;
  }

  /** Goes past `skippable` bytes that are not pushed. */
  skip(): void {
    if (this.#extended !== undefined) return;
    this.#offset += this.#bodyLeft;
    this.#bodyLeft = 0;
  }

  /** Zeros that fill the last block of a body whose bytes have all come; some writers leave them out at the end. */
  get pendingPadding(): number {
    return this.#bodyLeft > 0 ? 0 : this.#paddingLeft;
  }

  /** Call it after the last byte. Throws TarFormatError when the stream ended within an entry. */
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
    // GNU's names win over those of pax, and an empty record says nothing: as Go's archive/tar has it.
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
    // Only of this type: GNU tar makes folders of others too, Go's archive/tar does not.
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
    // star keeps times behind a shorter prefix.
    return readText(header, 345, header.toString('latin1', 508, 512) === 'tar\0' ? 131 : 155);
  }
  if (!isGnu(header)) return '';
  // GNU headers have times in its place, except for those of a fault of old versions of Go, which Go still reads.
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

/** From the digits where there are some: a number of seconds holds no more than tenths of a microsecond. */
function nanosecondsOf(mtime: number, text: string | undefined): number {
  if (Number.isInteger(mtime)) return 0;
  const digits = text?.split('.')[1] ?? '';
  const nanoseconds = Number(digits.slice(0, NANOSECONDS).padEnd(NANOSECONDS, '0'));
  return mtime < 0 && nanoseconds > 0 ? 1e9 - nanoseconds : nanoseconds;
}
