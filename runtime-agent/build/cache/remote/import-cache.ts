import type { Descriptor } from '../../../../storage/oci/descriptor.ts';
import { readManifest } from '../../../../storage/oci/manifest.ts';
import { EngineError } from '../../../errors.ts';
import type { LayerTransfer } from '../../../images/layer-transfer/layer-transfer.ts';
import { planLayers } from '../../../images/pull-plan.ts';
import { verifiedBlob } from '../../../images/verified-blob.ts';
import {
  CACHE_CONFIG_TYPE,
  decodeCacheDocument,
  decodeInlineCache,
  MAX_CACHE_DOCUMENT,
  type RemoteStep,
} from './cache-document.ts';
import type { ImportedCache } from './remote-cache.ts';

/** A cache whose manifest is read, and where the rest of it is. */
export interface FoundCache {
  /** For messages. */
  readonly name: string;
  readonly manifest: Uint8Array;
  readonly readBlob: (blob: Descriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** As readBlob; a chunk's memory may be used again when the next one is asked for. */
  readonly streamBlob: (blob: Descriptor, signal: AbortSignal) => AsyncIterable<Uint8Array>;
}

/** The steps of a cache, or of an image that holds its own. Throws EngineError 'bad-request' where it is neither. */
export async function importCache(
  transfer: Pick<LayerTransfer, 'fetch'>,
  { name, manifest: bytes, readBlob, streamBlob }: FoundCache,
  signal: AbortSignal,
): Promise<ImportedCache> {
  const manifest = readManifest(bytes);
  const { config } = manifest;
  if (config === undefined) throw notOne(name);
  if (config.size > MAX_CACHE_DOCUMENT)
    throw new EngineError('bad-request', `the cache ${name} is too large`);
  const content = await Array.fromAsync(verifiedBlob(config, readBlob(config, signal)));
  const isArtifact = config.mediaType === CACHE_CONFIG_TYPE;
  const document = (isArtifact ? decodeCacheDocument : decodeInlineCache)(Buffer.concat(content));
  if (document === undefined) throw notOne(name);
  const { steps, diffIds } = document;
  const layers = new Map(planLayers(manifest.layers, diffIds).map((layer) => [layer.diffId, layer]));
  const byKey = new Map<string, RemoteStep>();
  for (const step of steps) {
    if (step.diffId !== undefined && !layers.has(step.diffId)) continue;
    for (const key of step.keys) byKey.set(key, step);
  }
  return {
    find: (keys) => keys.map((key) => byKey.get(key)).find((step) => step !== undefined),
    fetchLayer: async (diffId, progress, abort, whileHeld) => {
      const layer = layers.get(diffId);
      if (layer === undefined) throw new TypeError('only layers of its steps are asked for');
      const report = (current: number, total: number) => progress(diffId, current, total);
      await transfer.fetch(layer, { streamBlob }, report, abort, whileHeld);
    },
  };
}

function notOne(name: string): EngineError {
  return new EngineError(
    'bad-request',
    `${name} is no build cache of this agent, nor an image that holds one`,
  );
}
