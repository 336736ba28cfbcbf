import { mkdir, mkdtemp, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';

const INCOMING = '.incoming-';
const REMOVED = '.removed-';

/** Folders of layers, one for each diff ID (`sha256-<hex>`), that appear and vanish in one step. */
export class LayerFolders {
  readonly #root: string;
  /** Layers that are there for sure: only this object takes one away. */
  readonly #known = new Set<Digest>();
  #removals = 0;

  private constructor(root: string) {
    this.#root = root;
  }

  /** Makes the root, readable by its owner only, and sweeps what an interrupted add or remove left there. */
  static async open(root: string): Promise<LayerFolders> {
    await mkdir(root, { recursive: true, mode: 0o700 });
    for (const name of await readdir(root)) {
      if (name.startsWith(INCOMING) || name.startsWith(REMOVED)) {
        await removeTree(join(root, name));
      }
    }
    return new LayerFolders(root);
  }

  /** Absolute path of a layer's folder, whether it is there or not. */
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
   * Lets `fill` write a layer into a new folder, which takes the name of the diff ID that `fill` resolves to; `fill` syncs
   * its own files. Nothing is left when it fails. A layer that is there already, or that someone else has added meanwhile,
   * is kept as it is, and the new folder need not be complete then.
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

/** Keeps what a layer's files have together, which nobody wants to count again. */
export async function writeContentSize(folder: string, bytes: number): Promise<void> {
  await writeFile(join(folder, FILE), `${bytes}`, { flag: 'wx', mode: 0o600, flush: true });
}

/** Bytes; 0 where there is no such layer. */
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

/** The layer can be run, and its tar was not kept by the agent that put it here. */
export function tarNotKept(diffId: Digest): EngineError {
  return new EngineError(
    'not-found',
    `the tar of layer ${diffId} was not kept by the agent that put it here: remove the image and pull it again`,
  );
}
