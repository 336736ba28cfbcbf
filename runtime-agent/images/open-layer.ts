import type { Digest } from '../../storage/oci/digest.ts';
import type { LayerContent } from '../snapshots/layer-content.ts';
import { decompress } from './decompress.ts';
import { decompressInto } from './decompress-into.ts';
import type { Decompressors } from './decompressors.ts';
import { limitedLayer } from './limited-layer.ts';
import { readCompression } from './read-compression.ts';
import { writeLayer } from './write-layer.ts';

export interface OpenLayerOptions {
  readonly decompressors: Decompressors;
  /** Bytes that an uncompressed layer may have. */
  readonly layerLimit: number;
}

/** The tar of a layer out of its blob: gzip, zstd or plain. Throws EngineError 'bad-request', as taking the content does. */
export async function openLayer(
  blob: { readonly digest: Digest; readonly mediaType: string },
  source: AsyncIterable<Uint8Array>,
  { decompressors, layerLimit: limit }: OpenLayerOptions,
): Promise<LayerContent> {
  const opened = await readCompression(blob, source);
  const { content, compression } = opened;
  const decompressor = compression && decompressors[compression];
  const tar = limitedLayer(decompress(blob, opened, decompressors), limit);
  return {
    [Symbol.asyncIterator]: () => tar[Symbol.asyncIterator](),
    writeInto: (fd, grown, signal) => {
      if (compression === undefined || decompressor === undefined) return writeLayer(tar, fd, grown, signal);
      const { digest } = blob;
      return decompressInto({ decompressor, compression, digest, content, fd, limit, grown, signal });
    },
  };
}
