import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { makePrivateFile } from '../../../../lib/files/private-file.ts';
import { openRegularFile } from '../../../../lib/files/regular-file.ts';
import { digestAlgorithm, digestHex } from '../../../../oci/digest.ts';
import { syncFolder } from '../device.ts';
import { nameAtLocation } from '../layout.ts';

/**
 * A file of fixed size that is filled with records from its start, emptied and filled again. Its blocks are
 * preallocated, so that the device only has to store the records, many in one write.
 */
export class JournalFile {
  readonly #handle: FileHandle;
  readonly #size: number;
  #cycle = randomBytes(CYCLE_SIZE);
  #end = 0;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  /** Opens a journal without needed records, and creates it if it does not exist. */
  static async open(path: string, size: number): Promise<JournalFile> {
    await makePrivateFile(path);
    const handle = await open(path, 'r+');
    try {
      if ((await handle.stat()).size !== size) {
        await handle.truncate(0);
        await handle.writeFile(Buffer.alloc(size));
        await handle.sync();
      }
      // Also when it existed: the process that created it may have been killed before this sync.
      await syncFolder(dirname(path));
      return new JournalFile(handle, size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  hasRoom(records: readonly JournalRecord[]): boolean {
    return records.reduce((end, record) => end + recordSize(record), this.#end) <= this.#size;
  }

  /** Appends records that fit; they survive a power cut when the promise resolves. Not reentrant. */
  async append(records: readonly JournalRecord[]): Promise<void> {
    const bytes = encodeRecords(this.#cycle, records);
    await writeAll(this.#handle, bytes, this.#end);
    await this.#handle.datasync();
    this.#end += bytes.byteLength;
  }

  /** Forgets all records. A power cut may bring them back, until others are appended. */
  async clear(): Promise<void> {
    this.#cycle = randomBytes(CYCLE_SIZE);
    this.#end = 0;
    await writeAll(this.#handle, Buffer.alloc(CYCLE_SIZE), 0);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Reads a journal's file, in whatever state a power cut has left it. */
export async function readJournal(path: string): Promise<readonly JournalRecord[]> {
  const handle = await openRegularFile(path);
  try {
    return decodeRecords(await handle.readFile());
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, start: number): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    const result = await handle.write(bytes, written, bytes.byteLength - written, start + written);
    written += result.bytesWritten;
  }
}

/** A small blob in a journal. */
export interface JournalRecord {
  readonly location: string;
  readonly content: Uint8Array;
}

/** Bytes of the cycle number, which distinguishes one filling of the file from the previous one. */
const CYCLE_SIZE = 8;
const MAGIC = 0x42_4a_31_0a;
/** Bytes of MAGIC, the cycle, the lengths of location and content, and the checksum of all this and of the location. */
const HEADER = 4 + CYCLE_SIZE + 4 + 4 + 4;
const CHECKSUM_AT = HEADER - 4;

export function recordSize({ location, content }: JournalRecord): number {
  return HEADER + location.length + content.byteLength;
}

/** Encodes records, which follow each other. Locations are ASCII. */
function encodeRecords(cycle: Uint8Array, records: readonly JournalRecord[]): Buffer {
  const bytes = Buffer.allocUnsafe(records.reduce((sum, record) => sum + recordSize(record), 0));
  let start = 0;
  for (const record of records) {
    const { location, content } = record;
    bytes.writeUInt32LE(MAGIC, start);
    bytes.set(cycle, start + 4);
    bytes.writeUInt32LE(location.length, start + 4 + CYCLE_SIZE);
    bytes.writeUInt32LE(content.byteLength, start + 8 + CYCLE_SIZE);
    bytes.write(location, start + HEADER, 'latin1');
    bytes.writeUInt32LE(checksum(bytes, start, location.length), start + CHECKSUM_AT);
    bytes.set(content, start + HEADER + location.length);
    start += recordSize(record);
  }
  return bytes;
}

/**
 * Decodes the records at the start of `bytes`, up to the first that is torn by a power cut or from an earlier cycle.
 */
function decodeRecords(bytes: Buffer): readonly JournalRecord[] {
  const records: JournalRecord[] = [];
  const cycle = bytes.subarray(4, 4 + CYCLE_SIZE);
  for (let start = 0; ; ) {
    const record = recordAt(bytes, start, cycle);
    if (record === undefined) return records;
    records.push(record);
    start += recordSize(record);
  }
}

function recordAt(bytes: Buffer, start: number, cycle: Uint8Array): JournalRecord | undefined {
  if (start + HEADER > bytes.byteLength || bytes.readUInt32LE(start) !== MAGIC) return undefined;
  if (!bytes.subarray(start + 4, start + 4 + CYCLE_SIZE).equals(cycle)) return undefined;
  const locationLength = bytes.readUInt32LE(start + 4 + CYCLE_SIZE);
  const contentLength = bytes.readUInt32LE(start + 8 + CYCLE_SIZE);
  const contentStart = start + HEADER + locationLength;
  if (contentStart + contentLength > bytes.byteLength) return undefined;
  if (checksum(bytes, start, locationLength) !== bytes.readUInt32LE(start + CHECKSUM_AT)) return undefined;
  const location = bytes.toString('latin1', start + HEADER, contentStart);
  const content = bytes.subarray(contentStart, contentStart + contentLength);
  return isWhole(location, content) ? { location, content } : undefined;
}

function checksum(bytes: Buffer, start: number, locationLength: number): number {
  const head = crc32(bytes.subarray(start, start + CHECKSUM_AT));
  return crc32(bytes.subarray(start + HEADER, start + HEADER + locationLength), head);
}

/** Reports whether the content matches the digest in the location. */
function isWhole(location: string, content: Uint8Array): boolean {
  const digest = nameAtLocation(location)?.digest;
  if (digest === undefined) return false;
  return createHash(digestAlgorithm(digest)).update(content).digest('hex') === digestHex(digest);
}
