import { trimEndOf } from '../pattern/trim.ts';
import { sumHeader } from './tar-header.ts';
import type { TarEntry, TarEntryKind } from './tar-parser.ts';

const BLOCK = 512;
const TYPE_FLAGS: Readonly<Record<Exclude<TarEntryKind, 'old-folder'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  folder: '5',
  fifo: '6',
};
const XATTR = 'SCHILY.xattr.';

/** An entry to write. As in TarEntry, each character of a text is one byte. */
export type NewTarEntry = Omit<TarEntry, 'kind' | 'bodyStart' | 'mtimeNanoseconds'> & {
  readonly kind: keyof typeof TYPE_FLAGS;
};

/** Two blocks of zeros: the mark that ends a tar. */
export const TAR_END_SIZE: number = 2 * BLOCK;

/** Returns the number of zero bytes that fill the last block of a body of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/**
 * Encodes the header of an entry, with a pax header before it for anything that a ustar header cannot hold (POSIX
 * pax(1)): long or non-ASCII names, large numbers, fractions of a second, xattrs. Reproducible. A folder's path gets
 * its trailing slash.
 */
export function encodeEntry(entry: NewTarEntry): Buffer {
  const path = entry.kind === 'folder' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const records = new Map<string, string>();
  const text = (key: string, value: string) => {
    if (value.length > 100 || !isAscii(value)) records.set(key, value);
    return value.slice(0, 100).replace(/[^\x20-\x7e]/g, '_');
  };
  const number = (key: string, value: number, digits: number) => {
    if (Number.isInteger(value) && value >= 0 && value < 8 ** digits) return value;
    records.set(key, decimal(value));
    return Number.isInteger(value) || value < 0 ? 0 : Math.floor(value);
  };
  const fields: HeaderFields = {
    type: TYPE_FLAGS[entry.kind],
    name: text('path', path),
    target: text('linkpath', entry.target),
    mode: entry.mode,
    uid: number('uid', entry.uid, 7),
    gid: number('gid', entry.gid, 7),
    size: number('size', entry.size, 11),
    mtime: number('mtime', entry.mtime, 11),
    major: entry.major,
    minor: entry.minor,
  };
  for (const [name, value] of entry.xattrs) records.set(`${XATTR}${name}`, value);
  if (records.size === 0) return encodeHeader(fields);
  return Buffer.concat([paxHeader(fields.name, records), encodeHeader(fields)]);
}

interface HeaderFields {
  readonly type: string;
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

function encodeHeader(fields: HeaderFields): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    header.write(
      value
        .toString(8)
        .padStart(width - 1, '0')
        .slice(-(width - 1)),
      at,
      'latin1',
    );
  header.write(fields.name, 0, 100, 'latin1');
  octal(fields.mode, 100, 8);
  octal(fields.uid, 108, 8);
  octal(fields.gid, 116, 8);
  octal(fields.size, 124, 12);
  octal(fields.mtime, 136, 12);
  header.write(fields.type, 156, 'latin1');
  header.write(fields.target, 157, 100, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  octal(fields.major, 329, 8);
  octal(fields.minor, 337, 8);
  header.write(`${sumHeader(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function paxHeader(name: string, records: ReadonlyMap<string, string>): Buffer {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const body = Buffer.from(sorted.map(([key, value]) => paxRecord(key, value)).join(''), 'latin1');
  const base = name.replace(/\/$/, '').split('/').at(-1) ?? '';
  const header = encodeHeader({
    type: 'x',
    name: `PaxHeaders.0/${base}`.slice(0, 100),
    target: '',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    major: 0,
    minor: 0,
  });
  return Buffer.concat([header, body, Buffer.alloc(paddingOf(body.length))]);
}

/** Encodes a pax record; the length in front includes itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** Formats a number. Nanoseconds are the precision of other programs' pax headers. */
function decimal(value: number): string {
  return Number.isInteger(value) ? `${value}` : trimEndOf(value.toFixed(9), '0');
}
