import type { Digest } from '../../../../oci/digest.ts';
import { verifiedBlob } from '../../../../oci/distribution/read-body.ts';
import type { Descriptor, Manifest } from '../../../../oci/manifest.ts';
import { EngineError } from '../../../errors.ts';
import type { LayerTransfer } from '../../../images/layer-transfer/layer-transfer.ts';
import {
  type PlannedLayer,
  planLayers,
  readReceived,
  readReceivedManifest,
} from '../../../images/resolve-image.ts';
import {
  CACHE_CONFIG_TYPE,
  type CacheDocument,
  decodeCacheDocument,
  decodeInlineCache,
  MAX_CACHE_DOCUMENT,
  type RemoteStep,
} from './cache-document.ts';
import type { ImportedCache } from './remote-cache.ts';

/** A cache whose manifests were read, and the source of its blobs. */
export interface FoundCache {
  /** For messages. */
  readonly name: string;
  /** See BlobSource. */
  readonly origin: string;
  /** Several manifests if it is an image for several platforms. */
  readonly manifests: AsyncIterable<Uint8Array> | readonly Uint8Array[];
  readonly readBlob: (blob: Descriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Like readBlob; a chunk's memory may be reused when the next one is requested. */
  readonly streamBlob: (blob: Descriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/**
 * Returns the steps of a cache, or of images that hold their own. Throws EngineError 'bad-request' if it is neither.
 */
export async function importCache(
  transfer: Pick<LayerTransfer, 'fetch'>,
  { name, origin, manifests, readBlob, streamBlob }: FoundCache,
  signal: AbortSignal,
): Promise<ImportedCache> {
  const layers = new Map<Digest, PlannedLayer>();
  const byKey = new Map<string, RemoteStep>();
  let isOne = false;
  for await (const bytes of manifests) {
    const manifest = await readReceivedManifest(bytes, undefined, 'cache');
    const document = await documentOf(name, manifest, readBlob, signal);
    if (document === undefined) continue;
    isOne = true;
    for (const layer of planLayers(manifest.layers, document.diffIds)) layers.set(layer.diffId, layer);
    for (const step of document.steps) {
      if (step.diffId !== undefined && !layers.has(step.diffId)) continue;
      for (const key of step.keys) byKey.set(key, step);
    }
  }
  if (!isOne) {
    throw new EngineError(
      'bad-request',
      `${name} is neither a build cache of this agent nor an image with one`,
    );
  }
  return {
    find: (keys) => keys.map((key) => byKey.get(key)).find((step) => step !== undefined),
    fetchLayer: async (diffId, progress, abort, whileHeld) => {
      const layer = layers.get(diffId);
      if (layer === undefined) throw new TypeError('only layers of its steps are asked for');
      const report = (current: number, total: number) => progress(diffId, current, total);
      await transfer.fetch(layer, { origin, streamBlob }, report, abort, whileHeld);
    },
  };
}

/** Returns undefined if an image has no cache in it. */
async function documentOf(
  name: string,
  { config }: Manifest,
  readBlob: FoundCache['readBlob'],
  signal: AbortSignal,
): Promise<CacheDocument | undefined> {
  if (config === undefined) return undefined;
  if (config.size > MAX_CACHE_DOCUMENT)
    throw new EngineError('bad-request', `the cache ${name} is too large`);
  const content = Buffer.concat(await Array.fromAsync(verifiedBlob(config, readBlob(config, signal))));
  const isArtifact = config.mediaType === CACHE_CONFIG_TYPE;
  const decode = isArtifact ? decodeCacheDocument : decodeInlineCache;
  return await readReceived(content, 'its configuration', 'cache', () => decode(content));
}
