import { allTogether } from '../../lib/sync/concurrently.ts';
import { KeyedLock, KeyedPool, Semaphore } from '../../lib/sync/semaphore.ts';
import { SingleFlight } from '../../lib/sync/single-flight.ts';
import type { Digest } from '../../oci/digest.ts';
import { verifiedBlob } from '../../oci/distribution/read-body.ts';
import type { LayerStore } from '../snapshots/layer-store.ts';
import type { Decompressors } from './decompress.ts';
import type { PullOptions, PullProgress } from './images.ts';
import type { KeptContent, LayerBlobs } from './layer-blobs/layer-blobs.ts';
import { MAX_LAYER_DOWNLOADS, MAX_LAYER_EXTRACTIONS } from './limits.ts';
import { openLayer } from './open-layer.ts';
import { type PlannedLayer, shortDigest } from './resolve-image.ts';

/** The source of layers. */
export interface BlobSource {
  /** Its registry or folder: a slow or misbehaving one does not block pulls from others. */
  readonly origin: string;
  /** Streams a blob; a chunk's memory may be reused when the next one is requested; the reader verifies it. */
  streamBlob(blob: PlannedLayer['blob'], signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** The progress of a layer. */
export type LayerStep = Omit<Extract<PullProgress, { readonly kind: 'layer' }>, 'kind' | 'id'>;

/** How layers are fetched. */
export type LayerFetch = Pick<PullOptions, 'discardsBlobs' | 'progress' | 'signal'>;

export interface LayerFetcherOptions {
  readonly layerStore: Pick<LayerStore, 'has' | 'add'>;
  readonly leases: Pick<LayerLeases, 'take' | 'release'>;
  /** Maximum bytes of an uncompressed layer. */
  readonly layerLimit: number;
  readonly layerBlobs: Pick<LayerBlobs, 'keeping' | 'record'>;
  readonly decompressors: Decompressors;
}

/** Limits of the layers from one origin. */
interface Places {
  /** Held by a layer from its first byte until it is stored. */
  readonly extractions: Semaphore;
  /** Held by a layer's download until its last byte. */
  readonly downloads: Semaphore;
}

/**
 * Fetches layers into the layer store, each once for all concurrent pulls, and leases those that pulls are about to
 * use.
 */
export class LayerFetcher {
  readonly #options: LayerFetcherOptions;
  /** By origin, blob and diff ID: an image may state the diff ID of another's layer. */
  readonly #work = new SingleFlight<string, LayerStep>();
  readonly #places = new KeyedPool<Places>(() => ({
    extractions: new Semaphore(MAX_LAYER_EXTRACTIONS),
    downloads: new Semaphore(MAX_LAYER_DOWNLOADS),
  }));

  constructor(options: LayerFetcherOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the layer store has all of `layers`, which are leased until `whileHeld` has ended. When one fails the
   * others are aborted, and its EngineError is thrown; fetched layers stay until a sweep.
   */
  async withLayers<T>(
    layers: readonly PlannedLayer[],
    source: BlobSource,
    fetch: LayerFetch,
    whileHeld: () => Promise<T>,
  ): Promise<T> {
    const { leases } = this.#options;
    const held: Digest[] = [];
    try {
      const missing: PlannedLayer[] = [];
      for (const layer of layers) {
        held.push(layer.diffId);
        const here = await leases.take(layer.diffId);
        if (!here) missing.push(layer);
        const state = here ? 'already-exists' : 'pulling-fs-layer';
        fetch.progress({ kind: 'layer', id: shortDigest(layer.blob.digest), state });
      }
      await this.#fetchAll(missing, source, fetch);
      return await whileHeld();
    } finally {
      for (const diffId of held) leases.release(diffId);
    }
  }

  async #fetchAll(
    layers: readonly PlannedLayer[],
    source: BlobSource,
    { progress, signal, discardsBlobs = false }: LayerFetch,
  ): Promise<void> {
    await allTogether(layers, signal, async (layer, either) => {
      const id = shortDigest(layer.blob.digest);
      const report = (step: LayerStep) => progress({ kind: 'layer', id, ...step });
      const key = JSON.stringify([source.origin, layer.blob.digest, layer.diffId]);
      await this.#work.join(key, either, report, (workSignal, share) =>
        this.#places.use(source.origin, (places) =>
          this.#fetch(layer, source, { places, discardsBlobs, report: share, signal: workSignal }),
        ),
      );
    });
  }

  async #fetch(
    layer: PlannedLayer,
    source: BlobSource,
    {
      places: { extractions, downloads },
      discardsBlobs,
      report,
      signal,
    }: {
      readonly places: Places;
      readonly discardsBlobs: boolean;
      readonly report: (step: LayerStep) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { layerLimit, layerStore, layerBlobs, decompressors } = this.#options;
    if (extractions.isFull || downloads.isFull) report({ state: 'waiting' });
    await extractions.hold(signal, async () => {
      if (await layerStore.has(layer.diffId)) {
        report({ state: 'already-exists' });
        return;
      }
      // The connection ends with the layer, even if the tar is refused before the end of the blob.
      const local = new AbortController();
      const either = AbortSignal.any([signal, local.signal]);
      const downloaded = await downloads.take(signal);
      let kept: KeptContent | undefined;
      try {
        kept = discardsBlobs ? undefined : await layerBlobs.keeping(layer);
        const content = counted(source.streamBlob(layer.blob, either), layer.blob.size, report, downloaded);
        const verified = verifiedBlob(layer.blob, content);
        const passed = kept?.pass(verified) ?? verified;
        const tar = await openLayer(layer.blob, passed, { decompressors, layerLimit });
        await layerStore.add(layer.diffId, tar, either);
        // A sweep keeps recorded layers, so record first.
        await layerBlobs.record([layer]);
        await kept?.commit(layer.blob.digest);
      } finally {
        local.abort(new Error('the layer has ended'));
        downloaded();
        await kept?.close();
      }
      report({ state: 'pull-complete' });
    });
  }
}

/** Reports the bytes of a blob as they arrive, and calls `downloaded` after the last one. */
async function* counted(
  content: AsyncIterable<Uint8Array>,
  total: number,
  report: (step: LayerStep) => void,
  downloaded: () => void,
): AsyncGenerator<Uint8Array> {
  let current = 0;
  report({ state: 'downloading', current, total });
  for await (const chunk of content) {
    current += chunk.length;
    report({ state: 'downloading', current, total });
    yield chunk;
  }
  downloaded();
  report({ state: 'verifying-checksum' });
  report({ state: 'download-complete' });
  report({ state: 'extracting', current: total, total });
}

/** Leases of layers: a sweep keeps a leased layer, even if no image uses it yet. */
export class LayerLeases {
  readonly #layerStore: LayerStore;
  readonly #layerBlobs: Pick<LayerBlobs, 'forget'>;
  readonly #lock = new KeyedLock();
  readonly #leases = new Map<Digest, number>();

  constructor(layerStore: LayerStore, layerBlobs: Pick<LayerBlobs, 'forget'>) {
    this.#layerStore = layerStore;
    this.#layerBlobs = layerBlobs;
  }

  /**
   * Takes a lease of a layer, present or not, and returns whether the layer is present; waits for a removal that has
   * begun. Each `take` needs one `release`.
   */
  async take(diffId: Digest): Promise<boolean> {
    this.#leases.set(diffId, (this.#leases.get(diffId) ?? 0) + 1);
    return await this.#lock.run(diffId, () => this.#layerStore.has(diffId));
  }

  release(diffId: Digest): void {
    const count = (this.#leases.get(diffId) ?? 0) - 1;
    if (count > 0) this.#leases.set(diffId, count);
    else this.#leases.delete(diffId);
  }

  /** Keeps leases of layers, present or not, until `work` has ended. */
  async whileHeld<T>(diffIds: readonly Digest[], work: () => Promise<T>): Promise<T> {
    const held: Digest[] = [];
    try {
      for (const diffId of diffIds) {
        held.push(diffId);
        await this.take(diffId);
      }
      return await work();
    } finally {
      for (const diffId of held) this.release(diffId);
    }
  }

  isHeld(diffId: Digest): boolean {
    return this.#leases.has(diffId);
  }

  /** Removes a layer unless it has a lease, and returns whether it did. The caller knows that no image and no root file system uses it. */
  async removeUnlessHeld(diffId: Digest): Promise<boolean> {
    return await this.unlessHeld(diffId, async () => {
      await this.#layerStore.remove(diffId);
      await this.#layerBlobs.forget(diffId);
    });
  }

  /** Runs `remove` unless the layer has a lease, and returns whether it did; meanwhile `take` of this layer waits. */
  async unlessHeld(diffId: Digest, remove: () => Promise<void>): Promise<boolean> {
    return await this.#lock.run(diffId, async () => {
      if (this.#leases.has(diffId)) return false;
      await remove();
      return true;
    });
  }
}
