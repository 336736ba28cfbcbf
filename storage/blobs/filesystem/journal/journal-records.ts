import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { digestAlgorithm, digestHex } from '../../../../oci/digest.ts';
import { nameAtLocation } from '../layout.ts';

/** A small blob as a journal has it. */
export interface JournalRecord {
  readonly location: string;
  readonly content: Uint8Array;
}

/** Bytes that tell one filling of a journal's file from the one before. */
export const CYCLE_SIZE = 8;
const MAGIC = 0x42_4a_31_0a;
/** MAGIC, the cycle, the lengths of location and content, the checksum of all this and of the location. */
const HEADER = 4 + CYCLE_SIZE + 4 + 4 + 4;
const CHECKSUM_AT = HEADER - 4;

export function recordSize({ location, content }: JournalRecord): number {
  return HEADER + location.length + content.byteLength;
}

/** The bytes of records, which follow each other. Locations are ASCII. */
export function encodeRecords(cycle: Uint8Array, records: readonly JournalRecord[]): Buffer {
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
 * The records at the beginning of `bytes`: as many as are whole and of the first one's cycle. What a power cut has
 * torn, and what an earlier cycle has left behind, ends them.
 */
export function decodeRecords(bytes: Buffer): readonly JournalRecord[] {
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

/** The location says what the content's digest is. */
function isWhole(location: string, content: Uint8Array): boolean {
  const digest = nameAtLocation(location)?.digest;
  if (digest === undefined) return false;
  return createHash(digestAlgorithm(digest)).update(content).digest('hex') === digestHex(digest);
}
