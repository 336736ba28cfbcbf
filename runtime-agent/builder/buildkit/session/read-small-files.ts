import { posix } from 'node:path';
import { EngineError } from '../../../errors.ts';
import type { ClientSession } from './client-session.ts';
import { diffCopy } from './diff-copy.ts';
import { fileKind } from './file-mode.ts';
import type { FileStat } from './packet.ts';

/** Maximum bytes of one file: a Dockerfile or an ignore file. */
const LARGEST = 1 << 20;
/** Maximum bytes of all files together. */
const LARGEST_TOGETHER = 16 << 20;
/** Maximum entries that a client may list when a few files were requested. */
const MOST_ENTRIES = 10_000;
const MOST_LINKS = 40;

/** A few files of a folder of the client's, held in memory. */
export interface SmallFiles {
  /** Returns undefined if there is no such file; symbolic links are followed within the folder. */
  read(path: string): string | undefined;
}

/**
 * Reads the files `paths` of a client's folder; missing ones are omitted. Throws EngineError 'bad-request' when one is
 * larger than 1 MiB.
 */
export async function readSmallFiles(
  session: ClientSession,
  folder: string,
  paths: readonly string[],
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<SmallFiles> {
  const files = new Map<string, Content>();
  const links = new Map<string, string>();
  const open = new Map<number, Content>();
  let together = 0;
  const stat = (entry: FileStat, id: number): boolean => {
    together += entry.path.length + entry.linkname.length;
    if (id >= MOST_ENTRIES || together > LARGEST_TOGETHER) throw tooMuch(folder);
    const kind = fileKind(entry.mode);
    if (kind === 'symlink') links.set(entry.path, entry.linkname);
    if (kind !== 'file') return false;
    // A hard link to a file that was received under its first name.
    const content = files.get(entry.linkname) ?? new Content();
    files.set(entry.path, content);
    if (entry.linkname !== '') return false;
    if (entry.size > LARGEST) throw tooLarge(entry.path);
    open.set(id, content);
    return true;
  };
  await diffCopy(
    session,
    { folder, follow: paths, exclude: [] },
    {
      stat,
      data(id, bytes) {
        const content = open.get(id);
        if (content === undefined) {
          throw new EngineError('bad-request', 'the client sent a file that was not asked for');
        }
        together += bytes.length;
        if (content.length + bytes.length > LARGEST) throw tooLarge(folder);
        if (together > LARGEST_TOGETHER) throw tooMuch(folder);
        content.add(bytes);
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
          return files.get(name)?.text;
        }
        name = posix.join('/', posix.isAbsolute(target) ? '' : posix.dirname(name), target).slice(1);
      }
      return undefined;
    },
  };
}

/**
 * Bytes in one buffer, whose capacity at least doubles when it is full: many small pieces take no more memory than a
 * few large ones.
 */
class Content {
  length = 0;
  #bytes = Buffer.alloc(0);

  add(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    this.length = length;
  }

  get text(): string {
    return this.#bytes.toString('utf8', 0, this.length);
  }
}

function tooMuch(folder: string): EngineError {
  return new EngineError(
    'bad-request',
    `the client sends more of ${folder} than a Dockerfile and its ignore file`,
  );
}

function tooLarge(path: string): EngineError {
  return new EngineError(
    'bad-request',
    `${path} is larger than 1 MiB, which no Dockerfile or ignore file may be`,
  );
}
