import { Semaphore } from '../../../lib/sync/semaphore.ts';
import type { Digest } from '../../../oci/digest.ts';
import type { RegistryCredentials } from '../../../oci/distribution/credentials/registry-credentials.ts';
import type { RegistryClient } from '../../../oci/distribution/registry-client.ts';
import type { RegistryRepository } from '../../../oci/distribution/registry-repository.ts';
import type { RepositoryWriter } from '../../../oci/distribution/repository-writer.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import type { ImageReference } from '../../../oci/reference.ts';
import { compressionOf, ociLayerType } from '../compression/layer-compression.ts';
import type { LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import type { BlobSource, LayerFetcher } from '../layer-fetcher.ts';
import { MAX_LAYER_UPLOADS } from '../limits.ts';
import type { LayerPusher } from '../push/layer-pusher.ts';
import type { PlannedLayer } from '../resolve-image.ts';

export interface LayerTransferOptions {
  readonly registry: RegistryClient;
  readonly layerBlobs: LayerBlobs;
  readonly pusher: LayerPusher;
  readonly fetcher: LayerFetcher;
}

/** Layers in the form in which a registry has them. */
export type SentLayers = ReadonlyMap<Digest, LayerForm['blob']>;

/** Moves layers between this host and registries, without an image. */
export class LayerTransfer {
  readonly #options: LayerTransferOptions;

  constructor(options: LayerTransferOptions) {
    this.#options = options;
  }

  repository(reference: ImageReference, credentials: RegistryCredentials | undefined): RegistryRepository {
    return this.#options.registry.repository(reference, credentials);
  }

  writer(reference: ImageReference, credentials: RegistryCredentials | undefined): RepositoryWriter {
    return this.#options.registry.writer(reference, credentials, []);
  }

  /**
   * Uploads missing layers to a repository, each compressed once. `progress` gets the layer and its bytes sent. Throws
   * as ImagePush.push does.
   */
  async send(
    diffIds: readonly Digest[],
    reference: ImageReference,
    credentials: RegistryCredentials | undefined,
    progress: (diffId: Digest, current: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<SentLayers> {
    const { layerBlobs, pusher } = this.#options;
    const layers = await Promise.all(
      diffIds.map(async (diffId) => {
        const forms = (await layerBlobs.forms(diffId)).flatMap((form) => {
          const kind = compressionOf(form.mediaType);
          return kind === 'uncompressed' ? [] : [{ ...form, mediaType: ociLayerType(kind) }];
        });
        return { diffId, stated: undefined, forms, gzipType: MEDIA_TYPES.ociLayerGzip };
      }),
    );
    const mountable = await Promise.all(layers.map((layer) => pusher.mountable(layer, reference)));
    const writer = this.#options.registry.writer(reference, credentials, [...new Set(mountable.flat())]);
    const places = new Semaphore(MAX_LAYER_UPLOADS);
    const sent = layers.map(async (layer) => {
      const target = {
        registry: reference.registry,
        repository: reference.repository,
        writer,
        progress: (step: { readonly kind: string; readonly current?: number; readonly total?: number }) => {
          if (step.current !== undefined) progress(layer.diffId, step.current, step.total ?? 0);
        },
        signal,
      };
      return [layer.diffId, await places.hold(signal, () => pusher.push(layer, target))] as const;
    });
    return new Map(await Promise.all(sent));
  }

  /**
   * Fetches a layer, and resolves when `whileHeld` has ended; until then no sweep removes it. Throws as Images.pull
   * does.
   */
  async fetch(
    layer: PlannedLayer,
    source: BlobSource,
    progress: (current: number, total: number) => void,
    signal: AbortSignal,
    whileHeld: () => Promise<void>,
  ): Promise<void> {
    const report = (step: { readonly kind: string; readonly current?: number; readonly total?: number }) => {
      if (step.current !== undefined) progress(step.current, step.total ?? 0);
    };
    await this.#options.fetcher.withLayers([layer], source, { progress: report, signal }, whileHeld);
  }
}
