import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildCache, type CachePruning, type CacheRecord, prunable } from '../../build-cache.ts';
import type { FolderQuery } from './diff-copy.ts';
import { readIndexedSize, writeFileIndex } from './file-index.ts';
import type { FolderState } from './folder-state.ts';

/** A copy of a client's folder that one build has. */
export interface ClaimedCopy {
  /** Where its files are. */
  readonly tree: string;
  /** File with the index of the folder; without it the content is unknown. */
  readonly index: string;
  /** The state in memory, if this agent has received the folder recently. */
  readonly known: FolderState | undefined;
  /** Releases the copy after the build; `received` is its state, if known. */
  release(received?: ReceivedCopy): Promise<void>;
}

export interface ReceivedCopy {
  readonly state: FolderState;
  /** Whether the index in the file is out of date. */
  readonly changed: boolean;
}

/** Maximum copies of one folder of one client, and of all folders. */
const KEPT_OF_FOLDER = 2;
const KEPT = 30;
/** Maximum copies whose state is in memory, and milliseconds after their last use. */
const KNOWN = 4;
const KNOWN_FOR = 300_000;

const INDEX = 'index.json';

/**
 * Copies of clients' folders, kept between builds, so that the next build of the same folder requests only changes. A
 * copy serves one build at a time; concurrent builds of one folder get separate copies.
 */
export class SyncedFolders implements BuildCache {
  readonly #directory: string;
  /** Names of copies that a build reads or that are being received. */
  readonly #busy = new Set<string>();
  readonly #known = new Map<string, { readonly state: FolderState; readonly expiry: NodeJS.Timeout }>();
  /** Indexes that are being written; only a claim of the copy waits for them. */
  readonly #saves = new Set<Promise<void>>();

  /** Only this object writes to `directory`, which is created on demand. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Claims a copy for one build: the one that the same build used before, else the least recently used one of this
   * folder, else a new one; a Dockerfile that copies other paths needs other files of the folder. `sharedKey` is the
   * same for each build of one folder; nothing is kept if it is empty.
   */
  async claim(sharedKey: string, query: FolderQuery): Promise<ClaimedCopy> {
    await Promise.all(this.#saves);
    const { name, isNew } = await this.#choose(sharedKey, query);
    const directory = join(this.#directory, name);
    const index = join(directory, INDEX);
    const known = this.#takeKnown(name);
    return {
      tree: join(directory, 'tree'),
      index,
      known,
      release: async (received) => {
        if (sharedKey === '') {
          this.#busy.delete(name);
          await this.#remove(name);
          return;
        }
        if (received === undefined) this.#busy.delete(name);
        else this.#save(name, index, received);
        if (isNew) await this.#sweep();
      },
    };
  }

  async records(): Promise<readonly CacheRecord[]> {
    return await Promise.all(
      (await this.#list()).map(async ({ name, used, created }) => {
        const size = await readIndexedSize(join(this.#directory, name, INDEX));
        return {
          id: name,
          type: 'source.local' as const,
          description: "copy of a client's build context",
          size,
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

  #takeKnown(name: string): FolderState | undefined {
    const known = this.#known.get(name);
    clearTimeout(known?.expiry);
    this.#known.delete(name);
    return known?.state;
  }

  /** The copy stays busy until its index is written. */
  #save(name: string, index: string, { state, changed }: ReceivedCopy): void {
    const expiry = setTimeout(() => this.#known.delete(name), KNOWN_FOR).unref();
    this.#known.set(name, { state, expiry });
    for (const oldest of [...this.#known.keys()].slice(0, -KNOWN)) this.#takeKnown(oldest);
    const written = changed ? writeFileIndex(index, state.files) : utimes(index, new Date(), new Date());
    // Without an index the next build requests everything, which is also the result on a full disk.
    const save = written
      .catch(() => undefined)
      .finally(() => {
        this.#saves.delete(save);
        this.#busy.delete(name);
      });
    this.#saves.add(save);
  }

  async #choose(
    sharedKey: string,
    query: FolderQuery,
  ): Promise<{ readonly name: string; readonly isNew: boolean }> {
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
      this.#takeKnown(other.name);
    }
    return { name, isNew: same === undefined };
  }

  async #sweep(): Promise<void> {
    const free = (await this.#list()).filter(({ name }) => !this.#busy.has(name));
    for (const { name } of free.slice(0, Math.max(0, free.length - KEPT))) await this.#remove(name);
  }

  /** Returns false if a build uses it. */
  async #remove(name: string): Promise<boolean> {
    if (this.#busy.has(name)) return false;
    this.#busy.add(name);
    this.#takeKnown(name);
    try {
      await rm(join(this.#directory, name), { recursive: true, force: true });
    } finally {
      this.#busy.delete(name);
    }
    return true;
  }

  /** Lists the copies, least recently used first; times are milliseconds since 1970. */
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
