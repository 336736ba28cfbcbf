import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Stat } from '../proto/wire_pb.ts';

/** What is known of one file of a synced folder: as the client told it, so that an equal stat means that nothing changed. */
export interface IndexedFile {
  readonly mode: number;
  readonly size: number;
  /** Nanoseconds since 1970, in decimal. */
  readonly modified: string;
  readonly link: string;
}

/** By path. */
export type FileIndex = ReadonlyMap<string, IndexedFile>;

export function indexedFile(stat: Stat): IndexedFile {
  return { mode: stat.mode, size: Number(stat.size), modified: String(stat.modTime), link: stat.linkname };
}

export function sameFile(a: IndexedFile, b: IndexedFile): boolean {
  return a.mode === b.mode && a.size === b.size && a.modified === b.modified && a.link === b.link;
}

/** Undefined where the file is missing or damaged: what it describes is unknown then. */
export async function readFileIndex(path: string): Promise<FileIndex | undefined> {
  try {
    return new Map(JSON.parse(await readFile(path, 'utf8')) as [string, IndexedFile][]);
  } catch {
    return undefined;
  }
}

export async function writeFileIndex(path: string, index: FileIndex): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify([...index]));
  await rename(`${path}.new`, path);
}
