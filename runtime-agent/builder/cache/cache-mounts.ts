import { createHash, randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../../lib/linux/files/remove-tree.ts';
import { syncFilesystem } from '../../../lib/linux/sync-filesystem.ts';
import { KeyedLock } from '../../../lib/sync/semaphore.ts';
import { folderSize } from '../../volumes/folder-size.ts';
import { type BuildCache, type CachePruning, type CacheRecord, prunable } from '../build-cache.ts';

/** A request of a step for a persistent cache (`RUN --mount=type=cache`). */
export interface CacheMountRequest {
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Fills a new cache. */
  readonly fill: ((folder: string) => Promise<void>) | undefined;
}

export interface OpenedCacheMount {
  /** Absolute path of the folder. */
  readonly folder: string;
  /** Releases the folder after the step. */
  release(): void;
}

const NOTE = 'cache.json';
const DATA = 'data';

/** The folders of caches, `<root>/<key>/{data,cache.json}`. */
export class CacheMounts implements BuildCache {
  readonly #root: string;
  readonly #lock = new KeyedLock();
  readonly #used = new Map<string, number>();

  readonly #sync: typeof syncFilesystem;

  private constructor(root: string, sync: typeof syncFilesystem) {
    this.#root = root;
    this.#sync = sync;
  }

  /** `sync` makes the content of a folder's file system durable. */
  static async open(root: string, sync = syncFilesystem): Promise<CacheMounts> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    for (const name of await readdir(root)) {
      if (name.startsWith('.')) await removeTree(join(root, name));
    }
    return new CacheMounts(root, sync);
  }

  /** Acquires a cache; waits if the request needs exclusive use. Rejects with the signal's reason. */
  async acquire(request: CacheMountRequest, signal: AbortSignal): Promise<OpenedCacheMount> {
    const key = keyOf(request.id, 0);
    if (request.sharing === 'locked') return await this.#acquireLocked(key, request, signal);
    if (request.sharing === 'shared') return await this.#use(key, request);
    for (let number = 0; ; number += 1) {
      const own = keyOf(request.id, number);
      if (!this.#used.has(own)) return await this.#use(own, request);
    }
  }

  async records(): Promise<readonly CacheRecord[]> {
    const kept: CacheRecord[] = [];
    for (const key of await readdir(this.#root)) {
      if (key.startsWith('.')) continue;
      const folder = join(this.#root, key);
      const note = await readNote(join(folder, NOTE));
      if (note === undefined) continue;
      const { id, createdAt, uses } = note;
      const { mtimeMs } = await stat(join(folder, NOTE));
      const size = await folderSize(join(folder, DATA));
      kept.push({
        id: key,
        type: 'exec.cachemount',
        description: `cached mount ${id}`,
        size,
        createdAt: new Date(createdAt),
        lastUsedAt: new Date(mtimeMs),
        usageCount: uses,
        inUse: this.#used.has(key),
        shared: false,
      });
    }
    return kept;
  }

  async prune(pruning: CachePruning): Promise<readonly CacheRecord[]> {
    const removed: CacheRecord[] = [];
    for (const record of prunable(await this.records(), pruning)) {
      if (await this.#lock.run(record.id, () => this.#remove(record.id))) removed.push(record);
    }
    return removed;
  }

  async #remove(key: string): Promise<boolean> {
    if (this.#used.has(key)) return false;
    await this.#discard(key);
    return true;
  }

  async #discard(key: string): Promise<void> {
    const trash = join(this.#root, `.${randomUUID()}`);
    await rename(join(this.#root, key), trash).catch(unlessMissing);
    await removeTree(trash);
  }

  async #acquireLocked(
    key: string,
    request: CacheMountRequest,
    signal: AbortSignal,
  ): Promise<OpenedCacheMount> {
    const entered = Promise.withResolvers<OpenedCacheMount>();
    const left = Promise.withResolvers<void>();
    const abort = () => entered.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const turn = this.#lock.run(`locked ${key}`, async () => {
      if (signal.aborted) return;
      const opened = await this.#use(key, request);
      if (signal.aborted) {
        // The caller has given up, and would never release it.
        opened.release();
        return;
      }
      entered.resolve({
        folder: opened.folder,
        release: () => {
          opened.release();
          left.resolve();
        },
      });
      await left.promise;
    });
    turn.catch((error: unknown) => entered.reject(error));
    try {
      return await entered.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #use(key: string, request: CacheMountRequest): Promise<OpenedCacheMount> {
    this.#used.set(key, (this.#used.get(key) ?? 0) + 1);
    const release = () => {
      const users = (this.#used.get(key) ?? 0) - 1;
      if (users > 0) this.#used.set(key, users);
      else this.#used.delete(key);
    };
    try {
      await this.#lock.run(key, () => this.#make(key, request));
    } catch (error) {
      release();
      throw error;
    }
    return { folder: join(this.#root, key, DATA), release };
  }

  /** Creates a cache atomically under its name; a cache whose note was lost in a power cut is created again. */
  async #make(key: string, request: CacheMountRequest): Promise<void> {
    const folder = join(this.#root, key);
    const note = join(folder, NOTE);
    const known = await readNote(note);
    if (known !== undefined) {
      await replaceFile(note, JSON.stringify({ ...known, uses: known.uses + 1 }));
      return;
    }
    await this.#discard(key);
    const made = join(this.#root, `.${randomUUID()}`);
    const data = join(made, DATA);
    await mkdir(data, { recursive: true, mode: 0o700 });
    try {
      await request.fill?.(data);
      await chown(data, request.uid, request.gid);
      await chmod(data, request.mode);
      await writeFile(join(made, NOTE), JSON.stringify({ id: request.id, createdAt: Date.now(), uses: 1 }), {
        mode: 0o600,
      });
      if (request.fill !== undefined) await this.#sync(made);
      await rename(made, folder);
    } finally {
      await removeTree(made);
    }
  }
}

/** The note about a cache; its modification time is the time of the last use. */
interface Note {
  readonly id: string;
  readonly createdAt: number;
  readonly uses: number;
}

/** Returns undefined if it is missing, or was damaged by a power cut. */
async function readNote(path: string): Promise<Note | undefined> {
  const text = await readFile(path, 'utf8').catch(unlessMissing);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Note);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function keyOf(id: string, number: number): string {
  return createHash('sha256')
    .update(JSON.stringify([id, number]))
    .digest('hex')
    .slice(0, 32);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
