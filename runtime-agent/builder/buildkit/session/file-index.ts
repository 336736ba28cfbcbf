import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { readBootId } from '../../../../lib/linux/process/proc.ts';
import type { FileStat } from './packet.ts';

/** A file of a synced folder, as the client described it, so that equal stats mean an unchanged file. */
export interface IndexedFile {
  /** The bits of Go's FileMode. */
  readonly mode: number;
  readonly size: number;
  /** Nanoseconds since 1970, in decimal. */
  readonly modified: string;
  /** The target of a symbolic link, or the first name of a file for its further names. */
  readonly link: string;
  /** Values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** SHA-256 of the content, in hex, of a file under its first name. */
  readonly digest?: string;
}

/** By path. */
export type FileIndex = ReadonlyMap<string, IndexedFile>;

export function indexedFile(stat: FileStat): IndexedFile {
  const xattrs = Object.entries(stat.xattrs).map(([name, value]) => [
    name,
    Buffer.from(value).toString('base64'),
  ]);
  return {
    mode: stat.mode,
    size: Number(stat.size),
    modified: String(stat.modTime),
    link: stat.linkname,
    ...(xattrs.length === 0 ? {} : { xattrs: Object.fromEntries(xattrs.sort()) }),
  };
}

/** Reports whether the client's file equals the received one, by its whole description. */
export function sameFile(a: IndexedFile, b: IndexedFile): boolean {
  return (
    a.mode === b.mode &&
    a.size === b.size &&
    a.modified === b.modified &&
    a.link === b.link &&
    (a.xattrs === b.xattrs || JSON.stringify(a.xattrs) === JSON.stringify(b.xattrs))
  );
}

/** Bytes of the size in the first line of an index; the rest of the line is the boot ID. */
const SIZE_LINE = 32;

/**
 * Returns undefined when the file is missing, damaged, or from another boot: the described files are never synced, so a
 * power cut may have taken their content.
 */
export async function readFileIndex(path: string, boot = readBootId()): Promise<FileIndex | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const start = text.indexOf('\n');
    if (text.slice(0, start).split(' ')[1] !== boot) return undefined;
    return new Map(JSON.parse(text.slice(start)) as [string, IndexedFile][]);
  } catch {
    return undefined;
  }
}

/** Returns the bytes of the files in an index, without reading all of it; 0 if it is missing. */
export async function readIndexedSize(path: string): Promise<number> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer } = await file.read(Buffer.alloc(SIZE_LINE), 0, SIZE_LINE, 0);
      return Number.parseInt(buffer.toString('latin1'), 10) || 0;
    } finally {
      await file.close();
    }
  } catch {
    return 0;
  }
}

/** `boot` is the boot ID under which the files were written. */
export async function writeFileIndex(path: string, index: FileIndex, boot = readBootId()): Promise<void> {
  let size = 0;
  for (const file of index.values()) size += file.size;
  await writeFile(`${path}.new`, `${size} ${boot}\n${JSON.stringify([...index])}`);
  await rename(`${path}.new`, path);
}
