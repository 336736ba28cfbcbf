import { mkdir, mkdtemp, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { type Digest, digestAlgorithm, isDigest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { type TarFacts, type TarFindings, TarInspection } from './tar-findings.ts';

const INCOMING = '.incoming-';
const REMOVED = '.removed-';

/** Folders of layers, one for each diff ID (`sha256-<hex>`), that appear and disappear atomically. */
export class LayerFolders {
  readonly #root: string;
  /** Layers that certainly exist: only this object removes them. */
  readonly #known = new Set<Digest>();
  #removals = 0;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Creates the root, readable by its owner only, and sweeps leftovers of an interrupted add or remove. */
  static async open(root: string): Promise<LayerFolders> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    for (const name of await readdir(root)) {
      if (name.startsWith(INCOMING) || name.startsWith(REMOVED)) {
        await removeTree(join(root, name));
      }
    }
    return new LayerFolders(root);
  }

  /** Returns the absolute path of a layer's folder, which need not exist. */
  path(diffId: Digest): string {
    return join(this.#root, diffId.replace(':', '-'));
  }

  async has(diffId: Digest): Promise<boolean> {
    if (this.#known.has(diffId)) return true;
    const removals = this.#removals;
    try {
      const isThere = (await stat(this.path(diffId))).isDirectory();
      if (isThere && removals === this.#removals) this.#known.add(diffId);
      return isThere;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  async list(): Promise<readonly Digest[]> {
    const names = await readdir(this.#root);
    return names.map((name) => name.replace('-', ':')).filter(isDigest);
  }

  /**
   * Lets `fill` write a layer into a new folder, which then gets the name of the diff ID that `fill` resolves to;
   * `fill` syncs its own files. Nothing remains when it fails. An existing layer, or one that another call has added
   * meanwhile, stays unchanged, and the new folder need not be complete then.
   */
  async add(fill: (folder: string) => Promise<Digest>): Promise<Digest> {
    const folder = await mkdtemp(join(this.#root, INCOMING));
    try {
      const diffId = await fill(folder);
      if (await this.has(diffId)) return diffId;
      await syncFolder(folder);
      await rename(folder, this.path(diffId)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
      await syncFolder(this.#root);
      return diffId;
    } finally {
      await removeTree(folder);
    }
  }

  async remove(diffId: Digest): Promise<void> {
    this.#removals += 1;
    this.#known.delete(diffId);
    const trash = await mkdtemp(join(this.#root, REMOVED));
    try {
      await rename(this.path(diffId), join(trash, 'layer')).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await syncFolder(this.#root);
    } finally {
      this.#removals += 1;
      await removeTree(trash);
    }
  }
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const FILE = 'content-size';

/** Stores the total size of a layer's files, to avoid counting again. */
export async function writeContentSize(folder: string, bytes: number): Promise<void> {
  await writeFile(join(folder, FILE), `${bytes}`, { flag: 'wx', mode: 0o600, flush: true });
}

/** Returns the size in bytes; 0 if there is no such layer. */
export async function readContentSize(folder: string): Promise<number> {
  try {
    return Number(await readFile(join(folder, FILE), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

export function layerNotHere(diffId: Digest): EngineError {
  return new EngineError('not-found', `layer ${diffId} is not on this host: pull the image again`);
}

/** The error for a layer that can be run, but whose tar an earlier agent did not keep. */
export function tarNotKept(diffId: Digest): EngineError {
  return new EngineError(
    'not-found',
    `the tar of layer ${diffId} was not kept by the agent that put it here: remove the image and pull it again`,
  );
}

/** Facts about a verified tar. */
export interface CheckedTar extends TarFacts {
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Passes a stream on to `write`, and meanwhile verifies that it is a tar with the digest; without an expected digest it
 * returns the actual one (sha256). Throws as judgeTar does, the signal's reason, and errors of `tar` and `write`.
 */
export async function checkTar(
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<CheckedTar> {
  const inspection = new TarInspection(diffIdAlgorithm(expected));
  for await (const chunk of tar) {
    signal.throwIfAborted();
    inspection.push(chunk);
    await write(chunk);
  }
  return judgeTar(expected, inspection.findings());
}

/** Returns the algorithm for a new or expected diff ID. */
export function diffIdAlgorithm(expected: Digest | undefined): ReturnType<typeof digestAlgorithm> {
  return expected === undefined ? 'sha256' : digestAlgorithm(expected);
}

/** Decides whether a layer may be used. Throws EngineError 'bad-request'. */
export function judgeTar(expected: Digest | undefined, { diffId, size, tar }: TarFindings): CheckedTar {
  // A wrong digest is reported first: it is the more serious and more helpful message.
  if (expected !== undefined && diffId !== expected) {
    throw new EngineError(
      'bad-request',
      `layer ${expected} is damaged: its uncompressed content has the digest ${diffId}`,
    );
  }
  if ('malformed' in tar) throw invalidLayer(expected, tar.malformed);
  return { ...tar, diffId, size };
}

/** The error for a layer with the right digest that is not a usable tar. */
export function invalidLayer(diffId: Digest | undefined, why: string): EngineError {
  const which = diffId === undefined ? 'the new layer' : `layer ${diffId}`;
  return new EngineError('bad-request', `${which} is not a valid tar: ${why}`);
}
