import type { Digest } from '../../../../oci/digest.ts';
import type { Descriptor } from '../../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../../oci/media-types.ts';
import type { LayerForm } from '../../../images/layer-blobs/layer-blobs.ts';
import { sha256 } from '../../../images/pending/plain-manifest.ts';
import { CACHE_CONFIG_TYPE, encodeCacheDocument, type RemoteStep } from './cache-document.ts';

/** A blob of a cache, with its bytes. */
export interface WrittenBlob extends Descriptor {
  readonly bytes: Buffer;
}

/** A cache in its stored form: an OCI artifact (image-spec, manifest.md, "Guidelines for Artifact Usage"). */
export interface WrittenCache {
  readonly config: WrittenBlob;
  readonly manifest: WrittenBlob;
}

/** Returns the layers that a cache of these steps needs, each once. */
export function layersOfSteps(steps: readonly RemoteStep[]): readonly Digest[] {
  return [...new Set(steps.flatMap(({ diffId }) => diffId ?? []))];
}

/** Stages run concurrently, so their steps arrive in any order. */
function inOrder(steps: readonly RemoteStep[]): readonly RemoteStep[] {
  const keyOf = ({ keys: [key = ''] }: RemoteStep) => key;
  return [...steps].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Returns the manifest of a cache. `layers` are the forms of layersOfSteps(). The result is reproducible. */
export function cacheManifest(
  steps: readonly RemoteStep[],
  layers: ReadonlyMap<Digest, LayerForm['blob']>,
): WrittenCache {
  const diffIds = layersOfSteps(inOrder(steps));
  const config = described(CACHE_CONFIG_TYPE, encodeCacheDocument({ steps: inOrder(steps), diffIds }));
  const { mediaType, digest, size } = config;
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType, digest, size },
    layers: diffIds.map((diffId) => layers.get(diffId)),
  };
  return { config, manifest: described(MEDIA_TYPES.ociManifest, Buffer.from(JSON.stringify(manifest))) };
}

function described(mediaType: string, bytes: Buffer): WrittenBlob {
  return { mediaType, digest: sha256(bytes), size: bytes.length, bytes };
}
