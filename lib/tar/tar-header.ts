/** The stream is not a tar that can be stored; the message says why, and at which byte. */
export class TarFormatError extends Error {
  override readonly name = 'TarFormatError';
}

/** Quotes a path or name of a tar, one character per byte, for a message. */
export function quoteName(text: string): string {
  return JSON.stringify(Buffer.from(text, 'latin1').toString('utf8').slice(0, 200));
}

const ZERO = 0x30;
const SPACE = 0x20;
const CHECKSUM_START = 148;
const CHECKSUM_END = 156;

/** Reads text up to the first zero byte, one character per byte. */
export function readText(block: Buffer, at: number, length: number): string {
  let end = at;
  while (end < at + length && block[end] !== 0) end += 1;
  return block.toString('latin1', at, end);
}

/** Reads a number in octal digits, or in GNU's base 256; undefined when it is neither, 0 when the field is empty. */
export function readNumber(block: Buffer, at: number, length: number): number | undefined {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    const negative = (first & 0x40) !== 0;
    const flip = negative ? 0xff : 0;
    let value = (first & 0x3f) ^ (flip & 0x3f);
    for (let index = at + 1; index < at + length; index++) value = value * 256 + ((block[index] ?? 0) ^ flip);
    return negative ? -value - 1 : value;
  }
  // The usual form: digits and a terminating zero.
  let value = 0;
  for (let index = at; index < at + length; index += 1) {
    const digit = (block[index] ?? 0) - ZERO;
    if (digit === -ZERO) return index === at ? readPaddedNumber(block, at, length) : value;
    if (digit < 0 || digit > 7) return readPaddedNumber(block, at, length);
    value = value * 8 + digit;
  }
  return value;
}

/** Ignores spaces and zero bytes at both ends, as Go's archive/tar does. */
function readPaddedNumber(block: Buffer, at: number, length: number): number | undefined {
  let start = at;
  while (start < at + length && (block[start] === SPACE || block[start] === 0)) start += 1;
  const padded = readText(block, start, at + length - start);
  let end = padded.length;
  while (padded[end - 1] === ' ') end -= 1;
  const text = padded.slice(0, end);
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** Reports whether the checksum of a header is correct; old tars sum signed bytes. */
export function hasValidChecksum(header: Buffer): boolean {
  const stated = readNumber(header, CHECKSUM_START, CHECKSUM_END - CHECKSUM_START);
  const sum = sumHeader(header);
  return stated === sum || stated === sum - 256 * countHighBytes(header);
}

/** Returns the checksum of a header, with its own field as spaces, over unsigned bytes. */
export function sumHeader(header: Uint8Array): number {
  let sum = 0;
  // An index loop: an iterator over the bytes would take longer than the rest of the parsing.
  for (let index = 0; index < header.length; index += 1) sum += header[index] ?? 0;
  for (let index = CHECKSUM_START; index < CHECKSUM_END; index += 1) sum += SPACE - (header[index] ?? 0);
  return sum;
}

function countHighBytes(header: Uint8Array): number {
  return header.filter((byte, index) => byte > 127 && (index < CHECKSUM_START || index >= CHECKSUM_END))
    .length;
}

/** Maximum records of one extended header. Linux lists at most about 9,400 extended attributes of a file. */
export const MAX_PAX_RECORDS = 16_384;

/** Parses the records of a pax header, one character per byte; undefined when it is malformed. */
export function parsePaxRecords(body: Buffer): ReadonlyMap<string, string> | undefined {
  const records = new Map<string, string>();
  let at = 0;
  while (at < body.length) {
    if (records.size >= MAX_PAX_RECORDS) return undefined;
    const space = body.indexOf(0x20, at);
    if (space < 0) return undefined;
    const digits = body.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^\d{1,7}$/.test(digits) || end > body.length || end <= space || body[end - 1] !== 0x0a)
      return undefined;
    const equals = body.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end) return undefined;
    records.set(body.toString('latin1', space + 1, equals), body.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return records;
}
