import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const FILE = 'content-size';

/** Keeps what a layer's files have together, which nobody wants to count again. */
export async function writeContentSize(folder: string, bytes: number): Promise<void> {
  await writeFile(join(folder, FILE), `${bytes}`, { flag: 'wx', mode: 0o600, flush: true });
}

/** Bytes; 0 where there is no such layer. */
export async function readContentSize(folder: string): Promise<number> {
  try {
    return Number(await readFile(join(folder, FILE), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
