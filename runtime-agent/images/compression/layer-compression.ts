import { MEDIA_TYPES } from '../../../oci/media-types.ts';

/** How a layer is compressed. `level` is the compressor's own; undefined is its default. */
export interface LayerCompression {
  readonly kind: CompressionKind;
  readonly level?: number;
}

export type CompressionKind = 'gzip' | 'zstd' | 'uncompressed';

const OCI: Readonly<Record<CompressionKind, string>> = {
  gzip: MEDIA_TYPES.ociLayerGzip,
  zstd: MEDIA_TYPES.ociLayerZstd,
  uncompressed: MEDIA_TYPES.ociLayer,
};

/**
 * Returns the media type of layers in an OCI manifest (image-spec, layer.md, "+gzip Media Types", "+zstd Media Types").
 */
export function ociLayerType(kind: CompressionKind): string {
  return OCI[kind];
}

/** Docker and the specification call the same thing `tar.gzip` and `tar+gzip`. */
export function compressionOf(mediaType: string): CompressionKind {
  const [, kind] = /[.+](gzip|zstd)$/.exec(mediaType) ?? [];
  return kind === 'gzip' || kind === 'zstd' ? kind : 'uncompressed';
}
