import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A file that users other than its owner may read or write. */
export interface WiderFile {
  readonly path: string;
  /** Such as `0644`. */
  readonly mode: string;
}

/**
 * Lists files of a folder, and of the named folders in it, that users other than their owner may read or write. A
 * missing folder or file has none.
 */
export function widerFiles(folder: string, inside: readonly string[] = []): readonly WiderFile[] {
  const folders = [folder, ...inside.map((name) => join(folder, name))];
  return folders.flatMap((path) =>
    entriesOf(path)
      .filter((entry) => entry.isFile())
      .flatMap(({ name }) => widerFile(join(path, name))),
  );
}

function widerFile(path: string): readonly WiderFile[] {
  // The file may be removed meanwhile.
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) === 0) return [];
  return [{ path, mode: (mode & 0o777).toString(8).padStart(4, '0') }];
}

function entriesOf(path: string): readonly Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
