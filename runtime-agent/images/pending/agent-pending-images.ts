import type { KeyedLock } from '../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../oci/digest.ts';
import { OciError } from '../../../oci/errors.ts';
import { type ImageConfig, MAX_CONFIG_SIZE, readImageConfig } from '../../../oci/image-config.ts';
import { EngineError } from '../../errors.ts';
import { layerNotHere } from '../../snapshots/layer-folders.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import { storageFull } from '../../storage-full.ts';
import type { Image } from '../image.ts';
import type { ImageCatalog } from '../image-catalog.ts';
import { imageOfRecord } from '../image-record.ts';
import type { LayerLeases } from '../layer-fetcher.ts';
import { limitedLayer } from '../open-layer.ts';
import type { FinishedImage, PendingImage, PendingImages } from './pending-images.ts';
import { plainManifest, sha256 } from './plain-manifest.ts';

export interface PendingImagesContext {
  readonly catalog: ImageCatalog;
  readonly layerStore: LayerStore;
  readonly sizes: LayerSizes;
  readonly leases: LayerLeases;
  /** Maximum bytes of an uncompressed layer. */
  readonly layerLimit: number;
  /** Guards the catalog, under the key 'catalog'. */
  readonly lock: KeyedLock;
  /** Removes layers that no image needs. */
  readonly sweep: () => Promise<void>;
}

/** PendingImages over the catalog and the layer store of a host. */
export class AgentPendingImages implements PendingImages {
  readonly #context: PendingImagesContext;
  /** By image: the number of pending images that have recorded it and are not released. */
  readonly #recorded = new Map<Digest, number>();

  constructor(context: Omit<PendingImagesContext, 'sizes'>) {
    this.#context = { ...context, sizes: new LayerSizes(context.layerStore) };
  }

  begin(): PendingImage {
    return new AgentPendingImage(this.#context, {
      recorded: (id) => this.#recorded.set(id, (this.#recorded.get(id) ?? 0) + 1),
      released: (id) => {
        const count = (this.#recorded.get(id) ?? 0) - 1;
        if (count > 0) this.#recorded.set(id, count);
        else this.#recorded.delete(id);
      },
    });
  }

  async readConfig(id: Digest): Promise<Uint8Array> {
    const bytes = await this.#context.catalog.findConfig(id);
    if (bytes === undefined) throw new EngineError('not-found', `No such image: ${id}`);
    return bytes;
  }

  isPending(id: Digest): boolean {
    return this.#recorded.has(id);
  }
}

/** Bytes of a layer's tar, and of the files in it. */
interface LayerSize {
  readonly tar: number;
  readonly layer: number;
}

/** Maximum layers whose sizes are kept in memory. */
const MAX_SIZES = 2000;

/** Reads the sizes of layers and caches them in memory; a layer never changes. */
class LayerSizes {
  readonly #layerStore: LayerStore;
  readonly #known = new Map<Digest, LayerSize>();

  constructor(layerStore: LayerStore) {
    this.#layerStore = layerStore;
  }

  /** Returns the sizes of a layer of this host. Throws EngineError 'not-found'. */
  async get(diffId: Digest): Promise<LayerSize> {
    const known = this.#known.get(diffId);
    if (known !== undefined) return known;
    const [tar, layer] = await Promise.all([
      this.#layerStore.tarSize(diffId),
      this.#layerStore.contentSize(diffId),
    ]);
    if (this.#known.size >= MAX_SIZES) this.#known.clear();
    this.#known.set(diffId, { tar, layer });
    return { tar, layer };
  }
}

/** Counts the pending images that have recorded an image. */
interface RecordCounts {
  recorded(id: Digest): void;
  released(id: Digest): void;
}

/** One PendingImage over the catalog and the layer store of a host. */
class AgentPendingImage implements PendingImage {
  readonly #context: PendingImagesContext;
  readonly #counts: RecordCounts;
  readonly #layers = new Set<Digest>();
  readonly #images = new Set<Digest>();
  /** Layers that were added and that no recorded image uses. */
  readonly #unused = new Set<Digest>();

  constructor(context: PendingImagesContext, counts: RecordCounts) {
    this.#context = context;
    this.#counts = counts;
  }

  async keepLayers(diffIds: readonly Digest[]): Promise<void> {
    for (const diffId of diffIds) if (!(await this.#hold(diffId))) throw layerNotHere(diffId);
  }

  async addLayer(tar: AsyncIterable<Uint8Array>, signal: AbortSignal, expected?: Digest): Promise<Digest> {
    const { layerStore, layerLimit } = this.#context;
    const limited = limitedLayer(tar, layerLimit);
    const claim = async (diffId: Digest) => {
      this.#unused.add(diffId);
      await this.#hold(diffId);
    };
    if (expected === undefined) return await layerStore.addNew(limited, claim, signal);
    await claim(expected);
    await layerStore.add(expected, limited, signal);
    return expected;
  }

  async finish({ config: bytes, manifest, parent, names = [] }: FinishedImage): Promise<Image> {
    const { catalog, layerStore, sizes, lock } = this.#context;
    if (bytes.length > MAX_CONFIG_SIZE) {
      throw new EngineError(
        'bad-request',
        `the configuration of the image has more than ${MAX_CONFIG_SIZE} bytes`,
      );
    }
    const { diffIds } = readConfig(bytes);
    for (const diffId of diffIds) {
      if (!this.#layers.has(diffId) || !(await layerStore.has(diffId))) throw layerNotHere(diffId);
    }
    const id = sha256(bytes);
    const known = await Promise.all(diffIds.map((diffId) => sizes.get(diffId)));
    const layers = diffIds.map((diffId, index) => ({ diffId, size: known[index]?.tar ?? 0 }));
    const { digest, bytes: manifestBytes } =
      manifest ?? plainManifest({ digest: id, size: bytes.length }, layers);
    const size = known.reduce((sum, { layer }) => sum + layer, 0);
    if (!this.#images.has(id)) this.#counts.recorded(id);
    this.#images.add(id);
    try {
      return await lock.run('catalog', async () => {
        const there = (await catalog.list()).find((image) => image.id === id);
        // A rebuild that gives the same image writes nothing.
        if (there?.manifestDigest !== digest || names.length > 0) {
          await catalog.put({
            ...{ id, configBytes: bytes, manifestDigest: digest, manifestBytes, size, names },
            ...(parent && { parent }),
          });
        }
        for (const diffId of diffIds) this.#unused.delete(diffId);
        const record = (await catalog.list()).find((image) => image.id === id);
        if (record === undefined) throw new Error(`the image ${id} was removed while it was recorded`);
        return imageOfRecord(record);
      });
    } catch (error) {
      throw storageFull(error) ?? error;
    }
  }

  async release(): Promise<void> {
    for (const diffId of this.#layers) this.#context.leases.release(diffId);
    for (const id of this.#images) this.#counts.released(id);
    this.#layers.clear();
    this.#images.clear();
    if (this.#unused.size === 0) return;
    this.#unused.clear();
    await this.#context.sweep();
  }

  /** Leases a layer, at most once, and returns whether it is present. */
  async #hold(diffId: Digest): Promise<boolean> {
    if (this.#layers.has(diffId)) return await this.#context.layerStore.has(diffId);
    this.#layers.add(diffId);
    return await this.#context.leases.take(diffId);
  }
}

function readConfig(bytes: Uint8Array): ImageConfig {
  try {
    return readImageConfig(bytes);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    throw new EngineError('bad-request', `the image is broken: ${error.message}`, { cause: error });
  }
}
