import { mkdir, mkdtemp, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../lib/linux/files/remove-tree.ts';
import { type Digest, digestAlgorithm, isDigest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { type TarFacts, type TarFindings, TarInspection } from './tar-findings.ts';

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

/** What a layer's tar was. */
export interface CheckedTar extends TarFacts {
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Hands a stream on to `write`, and checks on the way that it is a tar and that it has the digest; where none is expected,
 * tells which it has (sha256). Throws as judgeTar does, the signal's reason, and what `tar` and `write` fail with.
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

/** The algorithm of a diff ID that is to be made or to be compared. */
export function diffIdAlgorithm(expected: Digest | undefined): ReturnType<typeof digestAlgorithm> {
  return expected === undefined ? 'sha256' : digestAlgorithm(expected);
}

/** Decides whether a layer may be used. Throws EngineError 'bad-request'. */
export function judgeTar(expected: Digest | undefined, { diffId, size, tar }: TarFindings): CheckedTar {
  // The digest is told first: other content than was promised is the graver and the more helpful message.
  if (expected !== undefined && diffId !== expected) {
    throw new EngineError(
      'bad-request',
      `layer ${expected} is damaged: its uncompressed content has the digest ${diffId}`,
    );
  }
  if ('malformed' in tar) throw invalidLayer(expected, tar.malformed);
  return { ...tar, diffId, size };
}

/** The failure of a layer whose content is what was promised, and is no tar that can be used. */
export function invalidLayer(diffId: Digest | undefined, why: string): EngineError {
  const which = diffId === undefined ? 'the new layer' : `layer ${diffId}`;
  return new EngineError('bad-request', `${which} is not a valid tar: ${why}`);
}
