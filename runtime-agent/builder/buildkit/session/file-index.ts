import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { readBootId } from '../../../../lib/linux/process/proc.ts';
import type { FileStat } from './packet.ts';

/** What is known of one file of a synced folder: as the client told it, so that an equal stat means that nothing changed. */
export interface IndexedFile {
  /** The bits of Go's FileMode. */
  readonly mode: number;
  readonly size: number;
  /** Nanoseconds since 1970, in decimal. */
  readonly modified: string;
  /** The target of a symbolic link, or the first name of a file that this is a further name of. */
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

/** Whether the client's file is the one that was received, by all that it tells of it. */
export function sameFile(a: IndexedFile, b: IndexedFile): boolean {
  return (
    a.mode === b.mode &&
    a.size === b.size &&
    a.modified === b.modified &&
    a.link === b.link &&
    (a.xattrs === b.xattrs || JSON.stringify(a.xattrs) === JSON.stringify(b.xattrs))
  );
}

/** Bytes in which an index says how many bytes its files have; the rest of its first line is the boot of the kernel. */
const SIZE_LINE = 32;

/**
 * Undefined where the file is missing, damaged, or of another boot of the kernel: nobody syncs the files that it describes, so a power
 * cut may have taken their content.
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

/** Bytes of the files that an index describes, without reading all of it; 0 where it is missing. */
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

/** `boot` is that of the kernel in which the files were written. */
export async function writeFileIndex(path: string, index: FileIndex, boot = readBootId()): Promise<void> {
  let size = 0;
  for (const file of index.values()) size += file.size;
  await writeFile(`${path}.new`, `${size} ${boot}\n${JSON.stringify([...index])}`);
  await rename(`${path}.new`, path);
}
