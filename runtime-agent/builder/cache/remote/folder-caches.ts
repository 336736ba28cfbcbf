import type { Digest } from '../../../../oci/digest.ts';
import { verifiedBlob } from '../../../../oci/distribution/read-body.ts';
import { type Descriptor, MAX_MANIFEST_SIZE } from '../../../../oci/manifest.ts';
import { EngineError } from '../../../errors.ts';
import type { LayerCompressor } from '../../../images/compression/layer-compressor.ts';
import type { LayerTransfer } from '../../../images/layer-transfer/layer-transfer.ts';
import type { RemoteStep } from './cache-document.ts';
import { cacheManifest, layersOfSteps, type WrittenBlob } from './cache-manifest.ts';
import { importCache } from './import-cache.ts';
import type { ClientContent, ImportedCache, LayerProgress } from './remote-cache.ts';

/** Caches in folders of clients. */
export class FolderCaches {
  readonly #transfer: Pick<LayerTransfer, 'fetch'>;
  readonly #compressor: Pick<LayerCompressor, 'forms' | 'read'>;

  constructor(transfer: Pick<LayerTransfer, 'fetch'>, compressor: Pick<LayerCompressor, 'forms' | 'read'>) {
    this.#transfer = transfer;
    this.#compressor = compressor;
  }

  /** Reads a cache. `digest` is that of the manifest. */
  async read(
    name: string,
    content: ClientContent,
    digest: Digest,
    signal: AbortSignal,
  ): Promise<ImportedCache> {
    const size = await content.find(digest, signal);
    if (size === undefined)
      throw new EngineError('not-found', `${digest} is not in the client's folder ${name}`);
    if (size > MAX_MANIFEST_SIZE) throw new EngineError('bad-request', `the cache ${name} is too large`);
    const manifest = await Array.fromAsync(verifiedBlob({ digest, size }, content.read(digest, signal)));
    const readBlob = (blob: Descriptor, abort: AbortSignal) => content.read(blob.digest, abort);
    const found = {
      name,
      origin: name,
      manifests: [Buffer.concat(manifest)],
      readBlob,
      streamBlob: readBlob,
    };
    return await importCache(this.#transfer, found, signal);
  }

  /** Writes a cache, whose layers the caller holds. Returns the manifest, for the index of the client's folder. */
  async write(
    content: ClientContent,
    steps: readonly RemoteStep[],
    progress: LayerProgress,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const diffIds = layersOfSteps(steps);
    const forms = await this.#compressor.forms({
      diffIds,
      compression: { kind: 'gzip' },
      keeps: () => true,
      isRead: true,
      progress,
      signal,
    });
    for (const [diffId, blob] of forms) {
      const read = () => this.#compressor.read(diffId, blob, signal);
      await content.write(blob, read, (bytes) => progress(diffId, bytes, blob.size), signal);
    }
    const { config, manifest } = cacheManifest(steps, forms);
    // The manifest comes last, so that everything that it refers to exists.
    for (const blob of [config, manifest])
      await content.write(
        blob,
        () => only(blob),
        () => undefined,
        signal,
      );
    const { mediaType, digest, size } = manifest;
    return { mediaType, digest, size };
  }
}

async function* only({ bytes }: WrittenBlob): AsyncGenerator<Uint8Array> {
  yield bytes;
}
