import { parsePaxRecords, readNumber, readText, sumHeader } from './tar-header.ts';

/** The stream is no tar that this agent can keep; the message says why, and at which byte. */
export class TarFormatError extends Error {
  override readonly name = 'TarFormatError';
}

/** What a scan has found. */
export interface TarSummary {
  /** Files, folders, links and devices. */
  readonly entries: number;
  /** Where the end mark (two blocks of zeros) begins, or where the stream ended without one. Bytes, a multiple of 512. */
  readonly entriesEnd: number;
  readonly hasEndMark: boolean;
  /** Folders that entries lie in and that have no entry of their own, parents first; each character is one byte. */
  readonly impliedFolders: readonly string[];
}

const BLOCK = 512;
/** As Go's archive/tar, which every builder of images uses or is read by. */
const MAX_EXTENDED_HEADER = 1 << 20;
const MAX_FOLDER_NAMES = 128 << 20;
const MAX_PATH = 4095;
const MAX_NAME = 255;
const HEADER_ONLY = '123456';
const REGULAR = '0\0' + '7';

/**
 * Reads the headers of a tar while it streams by (ustar, pax and GNU; POSIX pax(1)). mkfs.erofs takes a damaged
 * header for the end and leaves out what it does not know, so a layer is checked here before it is trusted to that.
 * Memory is bounded; bodies are not kept.
 */
export class TarScanner {
  #offset = 0;
  /** Bytes of the current body and its padding that are still to come. */
  #bodyLeft = 0;
  readonly #header = Buffer.alloc(BLOCK);
  #headerLength = 0;
  #extended: { readonly type: string; readonly size: number; readonly chunks: Buffer[] } | undefined;
  #nextPath: string | undefined;
  #nextSize: number | undefined;
  #zeroBlockAt: number | undefined;
  #ended = false;
  #entries = 0;
  readonly #explicit = new Set<string>();
  readonly #implied = new Set<string>();
  #nameBytes = 0;

  /** Takes the next bytes, in pieces of any size. Throws TarFormatError. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      if (this.#bodyLeft > 0) {
        const taken = Math.min(this.#bodyLeft, chunk.length - at);
        this.#extended?.chunks.push(Buffer.from(chunk.subarray(at, at + taken)));
        this.#bodyLeft -= taken;
        this.#offset += taken;
        at += taken;
        if (this.#bodyLeft === 0) this.#endBody();
        continue;
      }
      const taken = Math.min(BLOCK - this.#headerLength, chunk.length - at);
      this.#header.set(chunk.subarray(at, at + taken), this.#headerLength);
      this.#headerLength += taken;
      at += taken;
      if (this.#headerLength === BLOCK) {
        this.#headerLength = 0;
        this.#readHeader();
        this.#offset += BLOCK;
      }
    }
  }

  /** Call it after the last byte. Throws TarFormatError when the stream ended within an entry. */
  finish(): TarSummary {
    if (this.#bodyLeft > 0 || this.#headerLength > 0 || this.#extended !== undefined) {
      throw new TarFormatError(`it ends within an entry, at byte ${this.#offset + this.#headerLength}`);
    }
    if (this.#nextPath !== undefined || this.#nextSize !== undefined) {
      throw new TarFormatError('it ends after an extended header that belongs to no entry');
    }
    return {
      entries: this.#entries,
      entriesEnd: this.#zeroBlockAt ?? this.#offset,
      hasEndMark: this.#ended,
      impliedFolders: [...this.#implied].filter((folder) => !this.#explicit.has(folder)).sort(),
    };
  }

  #fail(message: string): never {
    throw new TarFormatError(`${message}, at byte ${this.#offset}`);
  }

  #readHeader(): void {
    const header = this.#header;
    if (header.every((byte) => byte === 0)) {
      if (this.#zeroBlockAt !== undefined) this.#ended = true;
      else this.#zeroBlockAt = this.#offset;
      return;
    }
    if (this.#zeroBlockAt !== undefined) this.#fail('a block of zeros is followed by something else');
    const sums = sumHeader(header);
    const stated = readNumber(header, 148, 8);
    if (stated !== sums.unsigned && stated !== sums.signed) this.#fail('a header has a wrong checksum');

    const type = String.fromCharCode(header[156] ?? 0);
    const size = readNumber(header, 124, 12);
    if (size === undefined || size < 0 || !Number.isSafeInteger(size))
      this.#fail('an entry has no valid size');
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (size > MAX_EXTENDED_HEADER) this.#fail('an extended header is longer than 1 MiB');
      this.#extended = { type, size, chunks: [] };
      this.#bodyLeft = padded(size);
      if (size === 0) this.#endBody();
      return;
    }
    this.#readEntry(type, this.#nextSize ?? size, this.#nextPath ?? headerPath(header));
    this.#nextPath = undefined;
    this.#nextSize = undefined;
  }

  #readEntry(type: string, size: number, path: string): void {
    if (type === 'S') this.#fail(`${quote(path)} is a sparse file, which layers of images do not have`);
    if (HEADER_ONLY.includes(type)) {
      if (size !== 0) this.#fail(`${quote(path)} is a link, folder or device with a body`);
    } else if (REGULAR.includes(type)) this.#bodyLeft = padded(size);
    else this.#fail(`${quote(path)} is of the unknown type ${quote(type)}`);
    if (path.length > MAX_PATH) this.#fail('an entry has a path of more than 4095 bytes');
    if (path.includes('\0')) this.#fail('an entry has a path with a zero byte');
    this.#entries++;
    this.#noteFolders(path, type === '5' || (type !== '2' && path.endsWith('/')));
  }

  #noteFolders(path: string, isFolder: boolean): void {
    const parts: string[] = [];
    const all = path.split('/').filter((part) => part !== '' && part !== '.');
    for (const [index, part] of all.entries()) {
      if (part.length > MAX_NAME) this.#fail(`an entry has a name of more than ${MAX_NAME} bytes`);
      if (part === '..') parts.pop();
      else {
        parts.push(part);
        const folder = parts.join('/');
        if (index < all.length - 1) this.#add(this.#implied, folder);
        else if (isFolder) this.#add(this.#explicit, folder);
      }
    }
  }

  #add(folders: Set<string>, folder: string): void {
    if (folders.has(folder) || (folders === this.#implied && this.#explicit.has(folder))) return;
    folders.add(folder);
    this.#nameBytes += folder.length;
    if (this.#nameBytes > MAX_FOLDER_NAMES) this.#fail('the names of its folders take more than 128 MiB');
  }

  #endBody(): void {
    const extended = this.#extended;
    if (extended === undefined) return;
    this.#extended = undefined;
    const body = Buffer.concat(extended.chunks).subarray(0, extended.size);
    if (extended.type === 'L') this.#nextPath = readText(body, 0, body.length);
    if (extended.type !== 'x' && extended.type !== 'g') return;
    const records = parsePaxRecords(body);
    if (records === undefined) this.#fail('a pax header is malformed');
    if (extended.type === 'g') {
      if ([...records.keys()].some((key) => key !== 'comment')) {
        this.#fail('it has a global pax header, which layers of images do not have');
      }
      return;
    }
    if ([...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
      this.#fail('it has a sparse file, which layers of images do not have');
    }
    const path = records.get('path');
    if (path !== undefined) this.#nextPath = path;
    const size = records.get('size');
    if (size === undefined) return;
    const parsed = /^\d{1,15}$/.test(size) ? Number(size) : Number.NaN;
    if (Number.isNaN(parsed)) this.#fail('a pax header has no valid size');
    this.#nextSize = parsed;
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function headerPath(header: Buffer): string {
  const name = readText(header, 0, 100);
  // GNU headers (`ustar  `) keep other things where POSIX ones have the prefix.
  if (header.toString('latin1', 257, 263) !== 'ustar\0') return name;
  const prefix = readText(header, 345, 155);
  return prefix === '' ? name : `${prefix}/${name}`;
}

function quote(text: string): string {
  return JSON.stringify(Buffer.from(text, 'latin1').toString('utf8').slice(0, 200));
}
