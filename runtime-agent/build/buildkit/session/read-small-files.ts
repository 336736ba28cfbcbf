import { posix } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { ClientSession } from './client-session.ts';
import { diffCopy } from './diff-copy.ts';
import { fileKind } from './file-mode.ts';
import type { FileStat } from './packet.ts';

/** Bytes of one file that is read as a whole: a Dockerfile or an ignore file. */
const LARGEST = 1 << 20;
const MOST_LINKS = 40;

/** A few files of a folder of the client's, held in memory. */
export interface SmallFiles {
  /** Undefined where there is no such file; symbolic links are followed within the folder. */
  read(path: string): string | undefined;
}

/**
 * Reads the files `paths` of a folder of the client's; those that are not there are left out. Throws EngineError 'bad-request'
 * where one is larger than 1 MiB.
 */
export async function readSmallFiles(
  session: ClientSession,
  folder: string,
  paths: readonly string[],
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<SmallFiles> {
  const files = new Map<string, Buffer[]>();
  const links = new Map<string, string>();
  const open = new Map<number, Buffer[]>();
  const stat = (entry: FileStat, id: number): boolean => {
    const kind = fileKind(entry.mode);
    if (kind === 'symlink') links.set(entry.path, entry.linkname);
    if (kind !== 'file') return false;
    // A further name of a file that has come under its first.
    const chunks = files.get(entry.linkname) ?? [];
    files.set(entry.path, chunks);
    if (entry.linkname !== '') return false;
    if (entry.size > LARGEST) throw tooLarge(entry.path);
    open.set(id, chunks);
    return true;
  };
  await diffCopy(
    session,
    { folder, follow: paths, exclude: [] },
    {
      stat,
      data(id, bytes) {
        const chunks = open.get(id) ?? [];
        chunks.push(Buffer.from(bytes));
        if (chunks.reduce((sum, { length }) => sum + length, 0) > LARGEST) throw tooLarge(folder);
      },
      end: (id) => open.delete(id),
    },
    progress,
    signal,
  );
  return {
    read(path) {
      let name = posix.normalize(path).replace(/^\/+/, '');
      for (let hops = 0; hops < MOST_LINKS; hops++) {
        const target = links.get(name);
        if (target === undefined) {
          const chunks = files.get(name);
          return chunks === undefined ? undefined : Buffer.concat(chunks).toString();
        }
        name = posix.join('/', posix.isAbsolute(target) ? '' : posix.dirname(name), target).slice(1);
      }
      return undefined;
    },
  };
}

function tooLarge(path: string): EngineError {
  return new EngineError(
    'bad-request',
    `${path} is larger than 1 MiB, which no Dockerfile or ignore file may be`,
  );
}
