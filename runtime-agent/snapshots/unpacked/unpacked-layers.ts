import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { runProcess } from '../../../lib/linux/process/run-process.ts';
import type { Digest } from '../../../oci/digest.ts';
import { storageFull } from '../../storage-full.ts';
import {
  type CheckedTar,
  checkTar,
  LayerFolders,
  layerNotHere,
  readContentSize,
  tarNotKept,
  writeContentSize,
} from '../layer-folders.ts';
import type { LayerStore } from '../layer-store.ts';
import { Extraction } from './extraction.ts';

const SIZE_FILE = 'size';
const TAR_FILE = 'tar.zst';

/**
 * Layers as trees of files, for hosts that cannot mount them otherwise: `<directory>/unpacked/<diff
 * ID>/{fs,size,tar.zst}`. A tree cannot reproduce its tar, so that is kept too, for pushing or saving the image.
 */
export class UnpackedLayers implements LayerStore {
  readonly kind = 'unpacked';
  readonly #layers: LayerFolders;

  private constructor(layers: LayerFolders) {
    this.#layers = layers;
  }

  static async open(directory: string): Promise<UnpackedLayers> {
    return new UnpackedLayers(await LayerFolders.open(join(directory, 'unpacked')));
  }

  async has(diffId: Digest): Promise<boolean> {
    return await this.#layers.has(diffId);
  }

  async add(diffId: Digest, tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    await this.#add(diffId, tar, undefined, signal);
  }

  async addNew(
    tar: AsyncIterable<Uint8Array>,
    claim: (diffId: Digest) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Digest> {
    return await this.#add(undefined, tar, claim, signal);
  }

  async *read(diffId: Digest, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (!(await this.#layers.has(diffId))) throw layerNotHere(diffId);
    const file = await open(join(this.#layers.path(diffId), TAR_FILE), 'r').catch(
      (error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? tarNotKept(diffId) : error;
      },
    );
    yield* readKeptTar(file, signal);
  }

  async tarSize(diffId: Digest): Promise<number> {
    if (!(await this.#layers.has(diffId))) throw layerNotHere(diffId);
    return Number(await readFile(join(this.#layers.path(diffId), SIZE_FILE), 'utf8'));
  }

  async contentSize(diffId: Digest): Promise<number> {
    return await readContentSize(this.#layers.path(diffId));
  }

  async remove(diffId: Digest): Promise<void> {
    await this.#layers.remove(diffId);
  }

  async list(): Promise<readonly Digest[]> {
    return await this.#layers.list();
  }

  async folders(diffIds: readonly Digest[]): Promise<readonly string[]> {
    for (const diffId of diffIds) if (!(await this.has(diffId))) throw layerNotHere(diffId);
    return diffIds.map((diffId) => join(this.#layers.path(diffId), 'fs'));
  }

  async #add(
    expected: Digest | undefined,
    tar: AsyncIterable<Uint8Array>,
    claim: ((diffId: Digest) => Promise<void>) | undefined,
    signal: AbortSignal,
  ): Promise<Digest> {
    try {
      return await this.#layers.add((folder) => unpackLayer(folder, expected, tar, claim, signal));
    } catch (error) {
      throw storageFull(error) ?? error;
    }
  }
}

async function unpackLayer(
  folder: string,
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  claim: ((diffId: Digest) => Promise<void>) | undefined,
  signal: AbortSignal,
): Promise<Digest> {
  const tree = join(folder, 'fs');
  await mkdir(tree, { mode: 0o755 });
  const extraction = new Extraction(expected, tree);
  const kept = new KeptTar(join(folder, TAR_FILE));
  let received: CheckedTar;
  try {
    const write = async (chunk: Uint8Array) => {
      await extraction.write(chunk);
      await kept.write(chunk);
    };
    received = await checkTar(expected, tar, write, signal);
    await extraction.finish();
    await kept.finish();
  } finally {
    await kept.stop();
    await extraction.stop();
  }
  await claim?.(received.diffId);
  const file = await open(join(folder, SIZE_FILE), 'wx', 0o600);
  try {
    await file.writeFile(`${received.size}`);
  } finally {
    await file.close();
  }
  await writeContentSize(folder, received.contentSize);
  // One call for the tens of thousands of files of a layer.
  const { exitCode, stderr } = await runProcess('sync', ['-f', folder], { signal });
  if (exitCode !== 0) throw new Error(`the layer cannot be written to the disk: ${stderr.trim()}`);
  return received.diffId;
}

/** The fastest: this file is hardly ever read. */
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Writes a tar, zstd-compressed, beside its unpacked tree. */
class KeptTar {
  readonly #compress = createZstdCompress({ params: LEVEL });
  readonly #written: Promise<void>;

  /** `path` must not exist yet. */
  constructor(path: string) {
    this.#written = pipeline(this.#compress, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
    // `write` and `finish` report the failure.
    this.#written.catch(() => undefined);
  }

  /** Resolves when there is room for more. It takes ownership of `chunk`. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#compress.destroyed) return await this.#written;
    if (!this.#compress.write(Buffer.from(chunk))) {
      await Promise.race([once(this.#compress, 'drain'), this.#written]);
    }
  }

  /** Resolves when all is in the file, which is not synced. */
  async finish(): Promise<void> {
    this.#compress.end();
    await this.#written;
  }

  /** Closes the file, whatever its content. */
  async stop(): Promise<void> {
    this.#compress.destroy();
    await this.#written.catch(() => undefined);
  }
}

/** Reads the file of a KeptTar; closes `file`. */
async function* readKeptTar(file: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const tar = createZstdDecompress();
  const filled = pipeline(file.createReadStream(), tar, { signal });
  filled.catch(() => undefined);
  try {
    for await (const chunk of tar) yield chunk as Buffer;
    await filled;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    tar.destroy();
  }
}
