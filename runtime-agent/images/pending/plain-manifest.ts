import { createHash } from 'node:crypto';
import type { Digest } from '../../../oci/digest.ts';
import type { Descriptor } from '../../../oci/manifest.ts';
import { MEDIA_TYPES } from '../../../oci/media-types.ts';

/** The part of a manifest about one layer. */
export interface PlainLayer {
  readonly diffId: Digest;
  /** Bytes of its tar. */
  readonly size: number;
}

/** Returns the OCI manifest of an image whose layers are not compressed, and its digest. */
export function plainManifest(
  config: { readonly digest: Digest; readonly size: number },
  layers: readonly PlainLayer[],
): { readonly digest: Digest; readonly bytes: Buffer } {
  const plain = layers.map(({ diffId, size }) => ({ mediaType: MEDIA_TYPES.ociLayer, digest: diffId, size }));
  return imageManifest(config, plain);
}

/** Returns the OCI manifest of an image, and its digest. */
export function imageManifest(
  config: { readonly digest: Digest; readonly size: number },
  layers: readonly Pick<Descriptor, 'mediaType' | 'digest' | 'size'>[],
): { readonly digest: Digest; readonly bytes: Buffer } {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.size },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { digest: sha256(bytes), bytes };
}

export function sha256(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
