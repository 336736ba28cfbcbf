import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildCache, CachePruning, CacheRecord } from '../../build-cache.ts';
import { prunable } from '../../prunable.ts';
import type { FolderQuery } from './diff-copy.ts';
import { readFileIndex } from './file-index.ts';

/** A copy of a client's folder that one build has. */
export interface ClaimedCopy {
  /** Where its files are. */
  readonly tree: string;
  /** What they are, in a file; without it nothing is known of them. */
  readonly index: string;
  /** The build is done with it. */
  release(): Promise<void>;
}

/** Copies that are kept for one folder of one client, and of all: each is as large as what its builds read. */
const KEPT_OF_FOLDER = 2;
const KEPT = 30;

const INDEX = 'index.json';

/**
 * Copies of clients' folders, kept between builds, so that the next build of the same folder asks only for what has changed. A copy
 * serves one build at a time; builds of one folder side by side get copies of their own.
 */
export class SyncedFolders implements BuildCache {
  readonly #directory: string;
  /** Names of copies that a build reads or that are being received. */
  readonly #busy = new Set<string>();

  /** Nobody else may write to `directory`, which is made when it is needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * A copy for one build alone: the one that the same build had before, else the one of this folder that was used least lately, else a new
   * one, as a Dockerfile that copies something else wants other files of the folder. `sharedKey` is the same for each build of one folder;
   * where it is empty nothing is kept.
   */
  async claim(sharedKey: string, query: FolderQuery): Promise<ClaimedCopy> {
    const name = await this.#choose(sharedKey, query);
    const directory = join(this.#directory, name);
    return {
      tree: join(directory, 'tree'),
      index: join(directory, INDEX),
      release: async () => {
        this.#busy.delete(name);
        if (sharedKey === '') await this.#remove(name);
        else await this.#sweep();
      },
    };
  }

  async records(): Promise<readonly CacheRecord[]> {
    return await Promise.all(
      (await this.#list()).map(async ({ name, used, created }) => {
        const index = await readFileIndex(join(this.#directory, name, INDEX));
        return {
          id: name,
          type: 'source.local' as const,
          description: "copy of a client's build context",
          size: [...(index ?? [])].reduce((sum, [, file]) => sum + file.size, 0),
          createdAt: new Date(created),
          ...(used === 0 ? {} : { lastUsedAt: new Date(used) }),
          usageCount: 1,
          inUse: this.#busy.has(name),
          shared: false,
        };
      }),
    );
  }

  async prune(pruning: CachePruning): Promise<readonly CacheRecord[]> {
    const removed: CacheRecord[] = [];
    for (const record of prunable(await this.records(), pruning)) {
      if (await this.#remove(record.id)) removed.push(record);
    }
    return removed;
  }

  async #choose(sharedKey: string, query: FolderQuery): Promise<string> {
    const folder = digest([sharedKey === '' ? randomUUID() : sharedKey, query.folder]);
    const want = digest([...(query.follow ?? ['*']), '', ...query.exclude]);
    const prefix = `${folder}-${want}-`;
    const copies = await this.#list();
    const free = copies.filter(({ name }) => name.startsWith(folder) && !this.#busy.has(name));
    const same = free.find(({ name }) => name.startsWith(prefix));
    const name = same?.name ?? `${prefix}${randomUUID().slice(0, 8)}`;
    this.#busy.add(name);
    const other = same === undefined && free.length >= KEPT_OF_FOLDER ? free[0] : undefined;
    if (other !== undefined) {
      this.#busy.add(other.name);
      await rename(join(this.#directory, other.name), join(this.#directory, name));
      this.#busy.delete(other.name);
    }
    return name;
  }

  async #sweep(): Promise<void> {
    const free = (await this.#list()).filter(({ name }) => !this.#busy.has(name));
    for (const { name } of free.slice(0, Math.max(0, free.length - KEPT))) await this.#remove(name);
  }

  /** False where a build works with it. */
  async #remove(name: string): Promise<boolean> {
    if (this.#busy.has(name)) return false;
    this.#busy.add(name);
    try {
      await rm(join(this.#directory, name), { recursive: true, force: true });
    } finally {
      this.#busy.delete(name);
    }
    return true;
  }

  /** The one that was used longest ago first; times are milliseconds since 1970. */
  async #list(): Promise<
    readonly { readonly name: string; readonly used: number; readonly created: number }[]
  > {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const copies = (await readdir(this.#directory)).map(async (name) => {
      const [copy, index] = await Promise.all(
        [name, join(name, INDEX)].map((path) => stat(join(this.#directory, path)).catch(() => undefined)),
      );
      return { name, used: index?.mtimeMs ?? 0, created: copy?.birthtimeMs ?? 0 };
    });
    return (await Promise.all(copies)).sort((a, b) => a.used - b.used);
  }
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
