import { SingleFlight } from '../../../lib/sync/single-flight.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import { compressLayer } from './compress-layer.ts';
import { compressionOf, type LayerCompression, ociLayerType } from './layer-compression.ts';

type Blob = LayerForm['blob'];

/** Maximum layers whose forms at a level are remembered. */
const KEPT = 2000;

/** Receives the bytes of the tar that are done, and the total. */
export type CompressProgress = (done: number, total: number) => void;

/** Layers that a caller wants in some form. */
export interface WantedForms {
  readonly diffIds: readonly Digest[];
  readonly compression: LayerCompression;
  /** Reports whether any form that a registry already has suffices for a layer, whatever its compression. */
  readonly keeps: (diffId: Digest) => boolean;
  /** Whether the bytes of all forms must be on this host; otherwise those of kept layers may be missing. */
  readonly isRead: boolean;
  readonly progress: (diffId: Digest, done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** Compresses the layers of this host, each at most once at a time for all callers. */
export class LayerCompressor {
  readonly #layerStore: LayerStore;
  readonly #layerBlobs: LayerBlobs;
  /** Results of compression at explicit levels, which forms do not record. */
  readonly #atLevel = new Map<string, Digest>();
  readonly #compressing = new SingleFlight<string, { readonly done: number; readonly total: number }>();

  constructor(layerStore: LayerStore, layerBlobs: LayerBlobs) {
    this.#layerStore = layerStore;
    this.#layerBlobs = layerBlobs;
  }

  /** Returns the compressed layer, whose bytes are on this host. Throws EngineError 'storage-full', 'not-found'. */
  async compress(
    diffId: Digest,
    compression: LayerCompression & { readonly kind: 'gzip' | 'zstd' },
    progress: CompressProgress,
    signal: AbortSignal,
  ): Promise<Blob> {
    const { kind, level } = compression;
    const total = await this.#layerStore.tarSize(diffId);
    const report = ({ done }: { readonly done: number }) => progress(done, total);
    const key = `${kind} ${level} ${diffId}`;
    await this.#compressing.join(key, signal, report, async (shared, share) => {
      const { digest } = await compressLayer({
        diffId,
        compression,
        layerStore: this.#layerStore,
        layerBlobs: this.#layerBlobs,
        progress: (done) => share({ done, total }),
        signal: shared,
      });
      if (this.#atLevel.size >= KEPT) this.#atLevel.clear();
      this.#atLevel.set(key, digest);
    });
    const made = this.#atLevel.get(key);
    const isMade = ({ digest, mediaType }: Blob) =>
      made === undefined ? compressionOf(mediaType) === kind : digest === made;
    const form = await this.#find(diffId, isMade, true);
    if (form === undefined) throw new Error(`layer ${diffId} was compressed and is not here`);
    return form;
  }

  /**
   * Returns a form of each layer, compressing those without a suitable one; the caller holds the layers. Throws as
   * compress() does.
   */
  async forms(wanted: WantedForms): Promise<ReadonlyMap<Digest, Blob>> {
    const forms = new Map<Digest, Blob>();
    for (const diffId of new Set(wanted.diffIds)) forms.set(diffId, await this.#form(diffId, wanted));
    return forms;
  }

  /** Reads the bytes of a form on this host. Throws EngineError 'not-found'. */
  read(diffId: Digest, blob: Blob, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return blob.digest === diffId
      ? this.#layerStore.read(diffId, signal)
      : this.#layerBlobs.read(blob, 0, signal);
  }

  async #form(diffId: Digest, wanted: WantedForms): Promise<Blob> {
    const { compression, keeps, isRead, progress, signal } = wanted;
    const { kind } = compression;
    const isKept = keeps(diffId);
    const made = this.#atLevel.get(`${kind} ${compression.level} ${diffId}`);
    const ofKind = ({ digest, mediaType }: Blob) =>
      compression.level === undefined || isKept ? compressionOf(mediaType) === kind : digest === made;
    const isHere = isRead || !isKept;
    const known =
      (await this.#find(diffId, ofKind, isHere)) ??
      (isKept ? await this.#find(diffId, () => true, isHere) : undefined);
    if (known !== undefined) return known;
    if (kind === 'uncompressed') {
      return {
        digest: diffId,
        mediaType: ociLayerType(kind),
        size: await this.#layerStore.tarSize(diffId),
      };
    }
    const report: CompressProgress = (done, total) => progress(diffId, done, total);
    return await this.compress(diffId, { ...compression, kind }, report, signal);
  }

  /** Finds the latest form with a suitable media type for an OCI manifest. */
  async #find(diffId: Digest, fits: (form: Blob) => boolean, isHere: boolean): Promise<Blob | undefined> {
    for (const form of await this.#layerBlobs.forms(diffId)) {
      if (!fits(form)) continue;
      if (isHere && form.digest !== diffId && !(await this.#layerBlobs.has(form.digest))) continue;
      return { ...form, mediaType: ociLayerType(compressionOf(form.mediaType)) };
    }
    return undefined;
  }
}
