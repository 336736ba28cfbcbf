export interface TarEntry {
  /** As it is to stand in the archive, however odd. */
  readonly name: string;
  readonly type: keyof typeof TYPE_FLAG;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Of files. */
  readonly content?: string | Uint8Array;
  /** Of hard links and symlinks. */
  readonly target?: string;
  /** Of devices. */
  readonly major?: number;
  readonly minor?: number;
}

const BLOCK = 512;
const TYPE_FLAG = {
  file: '0',
  /** As tars before POSIX have files, and folders with a slash at the end of their names. */
  old: '\0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
} as const;

/** A whole tar of entries that no tar program would write: names and link targets go in unchecked. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? '');
    return [tarHeader(entry, content.length), content, tarPadding(content.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** Two blocks of zeros. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** Returns the padding after a file of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The header of an entry, with a pax header before it where a name is longer than 100 bytes. `size` under 8 GiB. */
export function tarHeader(entry: TarEntry, size: number): Buffer {
  const name = Buffer.from(entry.name);
  const target = Buffer.from(entry.target ?? '');
  const header = Buffer.alloc(BLOCK);
  name.copy(header, 0, 0, 100);
  header.write(octal(entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644), 8), 100);
  header.write(octal(entry.uid ?? 0, 8), 108);
  header.write(octal(entry.gid ?? 0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(Date.UTC(2024, 0) / 1000, 12), 136);
  header.fill(' ', 148, 156);
  header.write(TYPE_FLAG[entry.type], 156);
  target.copy(header, 157, 0, 100);
  header.write('ustar\x0000', 257, 'latin1');
  header.write(octal(entry.major ?? 0, 8), 329);
  header.write(octal(entry.minor ?? 0, 8), 337);
  setTarChecksum(header);
  const records = [
    ...(name.length > 100 ? [paxRecord('path', entry.name)] : []),
    ...(target.length > 100 ? [paxRecord('linkpath', entry.target ?? '')] : []),
  ];
  return records.length === 0 ? header : Buffer.concat([paxHeader(Buffer.concat(records)), header]);
}

function paxHeader(records: Buffer): Buffer {
  const header = tarHeader({ name: 'PaxHeaders/0', type: 'file' }, records.length);
  header.write('x', 156);
  setTarChecksum(header);
  return Buffer.concat([header, records, tarPadding(records.length)]);
}

/** pax(1): the length in front counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width - 1, '0');
}

/** Corrects the checksum of a header. */
export function setTarChecksum(header: Buffer): void {
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
