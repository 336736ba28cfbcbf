import type { Digest } from '../../../oci/digest.ts';
import { EngineError } from '../../errors.ts';

/** A file of an archive that has been received. */
export interface ArchiveFile {
  /** Digest of its bytes as stored. */
  readonly digest: Digest;
  readonly size: number;
  /** Present if it is small and not a layer. */
  readonly bytes?: Buffer;
  /** Present if it is a layer, which is stored on this host. */
  readonly diffId?: Digest;
  /** Present if it looks like a layer and cannot be one. */
  readonly problem?: EngineError;
}

/** Maximum links on the way to a file, as in the kernel; more are a loop. */
const MAX_LINKS = 40;
const MAX_ENTRIES = 100_000;

/** The files of an archive by their paths in it; a path is only ever used as a key. */
export class ArchiveFiles {
  readonly #files = new Map<string, ArchiveFile>();
  readonly #links = new Map<string, string>();

  /** Throws EngineError 'bad-request' if the archive has too many files. */
  add(path: string, file: ArchiveFile): void {
    this.#check();
    this.#links.delete(path);
    this.#files.set(path, file);
  }

  /** Adds a symlink of docker's older archives, or a hard link. */
  link(path: string, target: string): void {
    this.#check();
    this.#files.delete(path);
    this.#links.set(path, target);
  }

  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  /** Throws EngineError 'bad-request' if there is none. */
  get(path: string): ArchiveFile {
    const file = this.#find(path);
    if (file === undefined) throw new EngineError('bad-request', `the archive has no ${shown(path)}`);
    return file;
  }

  /** Returns a JSON file. Throws EngineError 'bad-request'. */
  bytes(path: string): Buffer {
    const { bytes } = this.get(path);
    if (bytes === undefined) {
      throw new EngineError('bad-request', `${shown(path)} of the archive is too large, or not JSON`);
    }
    return bytes;
  }

  #find(path: string): ArchiveFile | undefined {
    let at: string | undefined = cleanPath(path);
    for (let links = 0; at !== undefined && links < MAX_LINKS; links += 1) {
      const file = this.#files.get(at);
      if (file !== undefined) return file;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = cleanPath(target);
    }
    return undefined;
  }

  #check(): void {
    if (this.#files.size + this.#links.size < MAX_ENTRIES) return;
    throw new EngineError('bad-request', `the archive has more than ${MAX_ENTRIES} files`);
  }
}

/** Cleans a path in an archive from `.`, `..` and surrounding slashes; undefined for one that escapes it. */
export function cleanPath(path: string): string | undefined {
  const names: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') {
      if (names.pop() === undefined) return undefined;
    } else if (part !== '' && part !== '.') names.push(part);
  }
  return names.join('/');
}

function shown(path: string): string {
  return JSON.stringify(path.slice(0, 300));
}
