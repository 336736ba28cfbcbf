import type { Digest } from '../../../oci/digest.ts';
import { type Manifest, readManifest } from '../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';
import { EngineError } from '../../errors.ts';
import { type CompressionKind, compressionOf } from '../compression/layer-compression.ts';
import type { LayerForm } from '../layer-blobs/layer-blobs.ts';

type Blob = LayerForm['blob'];

/** A layer to push. */
export interface LayerToPush {
  readonly diffId: Digest;
  /** Its digest in the image's manifest; undefined for a layer that was made or loaded here, and never pushed. */
  readonly stated: Digest | undefined;
  /** The acceptable forms, best first; for a pulled image the first one leaves its manifest unchanged. */
  readonly forms: readonly Blob[];
  /** The media type of a gzip that is made here. */
  readonly gzipType: string;
}

/**
 * Returns the layers of a manifest, lowest first, each diff ID once. `known` are the forms in registries. Throws
 * EngineError 'bad-request' when manifest and configuration do not match.
 */
export function layersToPush(
  manifest: Manifest,
  diffIds: readonly Digest[],
  known: ReadonlyMap<Digest, readonly Blob[]>,
): readonly LayerToPush[] {
  if (manifest.layers.length !== diffIds.length) {
    throw new EngineError(
      'bad-request',
      `the image is broken: its manifest has ${manifest.layers.length} layers and its configuration ${diffIds.length}`,
    );
  }
  const isDocker = manifest.mediaType === MEDIA_TYPES.dockerManifest;
  const gzipType = isDocker ? MEDIA_TYPES.dockerLayerGzip : MEDIA_TYPES.ociLayerGzip;
  const layers = new Map<Digest, LayerToPush>();
  for (const [index, diffId] of diffIds.entries()) {
    const stated = manifest.layers[index];
    const forms = known.get(diffId) ?? [];
    // A plain layer that is in no registry was made here, and is compressed before the push.
    const isLocal = stated?.digest === diffId && !forms.some(({ digest }) => digest === diffId);
    const best = stated === undefined || isLocal ? [] : [stated];
    const others = forms.filter(({ digest }) => digest !== stated?.digest);
    const ofKind = (kind: CompressionKind, mediaType: string) =>
      others.filter((form) => compressionOf(form.mediaType) === kind).map((form) => ({ ...form, mediaType }));
    // Docker's manifests do not support zstd.
    const zstds = isDocker ? [] : ofKind('zstd', MEDIA_TYPES.ociLayerZstd);
    const [named] = best;
    layers.set(diffId, {
      diffId,
      stated: named?.digest,
      forms: [...best, ...ofKind('gzip', gzipType), ...zstds],
      gzipType,
    });
  }
  return [...layers.values()];
}

/**
 * Returns the manifest with the layers as they were pushed: the same bytes if nothing differs, else with all other
 * fields unchanged. `pushed` has a form for each of the configuration's `diffIds`.
 */
export function pushedManifest(
  bytes: Uint8Array,
  diffIds: readonly Digest[],
  pushed: ReadonlyMap<Digest, Blob>,
): { readonly bytes: Uint8Array; readonly mediaType: string } {
  const manifest = readManifest(bytes);
  const forms = diffIds.map((diffId) => pushed.get(diffId));
  const { mediaType } = manifest;
  if (manifest.layers.every(({ digest }, index) => digest === forms[index]?.digest))
    return { bytes, mediaType };
  const fields = JSON.parse(Buffer.from(bytes).toString('utf8'));
  const layers = forms.map((form) => ({
    mediaType: form?.mediaType,
    digest: form?.digest,
    size: form?.size,
  }));
  return { bytes: Buffer.from(JSON.stringify({ ...fields, layers })), mediaType };
}
