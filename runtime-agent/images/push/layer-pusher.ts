import type { Digest } from '../../../oci/digest.ts';
import type { PushedBlob, RepositoryWriter } from '../../../oci/distribution/repository-writer.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import type { LayerCompressor } from '../compression/layer-compressor.ts';
import type { BlobPlace, LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import { shortDigest } from '../resolve-image.ts';
import type { PushProgress } from './image-push.ts';
import type { LayerToPush } from './push-plan.ts';

type Blob = LayerForm['blob'];
type LayerStep = Omit<Extract<PushProgress, { readonly kind: 'layer' }>, 'kind' | 'id'>;

/** The target of layers, and of their progress. */
export interface PushTarget extends BlobPlace {
  readonly writer: RepositoryWriter;
  readonly progress: (step: PushProgress) => void;
  readonly signal: AbortSignal;
}

/** Maximum repositories that are tried for a mount before a layer is sent. */
const MAX_MOUNT_TRIES = 3;

/** Brings single layers of this host into repositories, by the cheapest way that works. */
export class LayerPusher {
  readonly #layerStore: LayerStore;
  readonly #layerBlobs: LayerBlobs;
  readonly #compressor: LayerCompressor;

  constructor(layerStore: LayerStore, layerBlobs: LayerBlobs, compressor: LayerCompressor) {
    this.#layerStore = layerStore;
    this.#layerBlobs = layerBlobs;
    this.#compressor = compressor;
  }

  /** Returns the form in which the repository has the layer now. Throws as ImagePush.push does. */
  async push(layer: LayerToPush, target: PushTarget): Promise<Blob> {
    const id = shortDigest(layer.diffId);
    const report = (step: LayerStep) => target.progress({ kind: 'layer', id, ...step });
    const there = await this.#findThere(layer, target, report);
    const blob = there ?? (await this.#send(layer, target, report));
    await this.#layerBlobs.record([{ diffId: layer.diffId, blob }], target);
    return blob;
  }

  /** Returns repositories of the target's registry from which some form of the layer can perhaps be mounted. */
  async mountable(layer: LayerToPush, target: BlobPlace): Promise<readonly string[]> {
    const [form] = layer.forms;
    if (form === undefined) return [];
    const repositories = await this.#layerBlobs.repositories(form.digest, target.registry);
    return repositories.filter((name) => name !== target.repository).slice(0, MAX_MOUNT_TRIES);
  }

  async #findThere(
    layer: LayerToPush,
    target: PushTarget,
    report: (step: LayerStep) => void,
  ): Promise<Blob | undefined> {
    const { writer, signal } = target;
    const [best] = layer.forms;
    if (best === undefined) return undefined;
    if (await writer.hasBlob(best.digest, signal)) {
      report({ state: 'already-exists' });
      return best;
    }
    for (const from of await this.mountable(layer, target)) {
      if (!(await writer.mountBlob(best.digest, from, signal))) continue;
      report({ state: 'mounted', from });
      return best;
    }
    return undefined;
  }

  async #send(
    layer: LayerToPush,
    { writer, progress, signal }: PushTarget,
    report: (step: LayerStep) => void,
  ): Promise<Blob> {
    const blob = (await this.#formHere(layer)) ?? (await this.#compress(layer, report, signal));
    // Compressing a layer again here usually gives the same bytes.
    if (layer.stated !== undefined && blob.digest !== layer.stated) {
      progress({ kind: 'compressed-anew', id: shortDigest(layer.diffId) });
    }
    const { size: total } = blob;
    report({ state: 'pushing', current: 0, total });
    await writer.uploadBlob(
      this.#content(layer.diffId, blob),
      (current) => report({ state: 'pushing', current, total }),
      signal,
    );
    report({ state: 'pushed' });
    return blob;
  }

  /** Returns the first form whose bytes are on this host; a plain layer is the tar itself. */
  async #formHere(layer: LayerToPush): Promise<Blob | undefined> {
    for (const form of layer.forms) {
      if (form.digest === layer.diffId || (await this.#layerBlobs.has(form.digest))) return form;
    }
    return undefined;
  }

  async #compress(
    { diffId, gzipType: mediaType }: LayerToPush,
    report: (step: LayerStep) => void,
    signal: AbortSignal,
  ): Promise<Blob> {
    const progress = (current: number, total: number) => report({ state: 'preparing', current, total });
    const blob = await this.#compressor.compress(diffId, { kind: 'gzip' }, progress, signal);
    return { ...blob, mediaType };
  }

  #content(diffId: Digest, blob: Blob): PushedBlob {
    const read =
      blob.digest === diffId
        ? (start: number, signal: AbortSignal) => from(start, this.#layerStore.read(diffId, signal))
        : (start: number, signal: AbortSignal) => this.#layerBlobs.read(blob, start, signal);
    return { digest: blob.digest, size: blob.size, read };
  }
}

async function* from(start: number, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = start;
  for await (const chunk of content) {
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}
