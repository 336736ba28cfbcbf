import { type FileHandle, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegularFile } from '../../lib/files/regular-file.ts';
import type { ReadOnlyTree, TreeEntry } from './docker-registry-source.ts';
import { SourceContentError } from './import-source.ts';

const PIECE = 1024 * 1024;

/** A folder of this machine. */
export class FolderTree implements ReadOnlyTree {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async *list(folder: string, signal: AbortSignal): AsyncGenerator<TreeEntry, void, undefined> {
    try {
      for await (const entry of await opendir(join(this.#root, folder))) {
        signal.throwIfAborted();
        yield { name: entry.name, isFolder: entry.isDirectory() };
      }
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }

  async read(file: string, limit: number): Promise<Buffer | undefined> {
    let handle: FileHandle;
    try {
      handle = await openRegularFile(join(this.#root, file));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw unreadable(file, error);
    }
    try {
      const { size } = await handle.stat();
      if (size > limit)
        throw new SourceContentError(`${file} has ${size} bytes: at most ${limit} were expected`);
      return await handle.readFile();
    } catch (error) {
      throw error instanceof SourceContentError ? error : unreadable(file, error);
    } finally {
      await handle.close();
    }
  }

  async *stream(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      const handle = await openRegularFile(join(this.#root, file));
      yield* handle.createReadStream({ highWaterMark: PIECE, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw isAbsent(error) ? new SourceContentError(`${file} is missing`) : unreadable(file, error);
    }
  }
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Returns the error for one unreadable file: a bad sector or a wrong mode need not affect the others. */
function unreadable(file: string, cause: unknown): SourceContentError {
  const { code } = cause as NodeJS.ErrnoException;
  return new SourceContentError(`${file} cannot be read (${code ?? String(cause)})`, { cause });
}
