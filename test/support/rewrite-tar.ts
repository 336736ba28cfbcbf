import { readFile, writeFile } from 'node:fs/promises';
import { TarParser } from '../../lib/tar/tar-parser.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

/** The files of a tar by path; folders and links are left out. */
export async function readTarFiles(path: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer[]>();
  let current: Buffer[] = [];
  const parser = new TarParser({
    entry: ({ kind, path: name }) => {
      current = [];
      if (kind === 'file') files.set(name, current);
    },
    data: (chunk) => current.push(Buffer.from(chunk)),
  });
  parser.push(await readFile(path));
  parser.finish();
  return new Map([...files].map(([name, chunks]) => [name, Buffer.concat(chunks)]));
}

/** Writes a tar of files, and further entries behind them. */
export async function writeTarFiles(
  path: string,
  files: ReadonlyMap<string, Uint8Array>,
  more: readonly TarEntry[] = [],
): Promise<void> {
  const entries = [...files].map(([name, content]): TarEntry => ({ name, type: 'file', content }));
  await writeFile(path, writeTar([...entries, ...more]));
}
