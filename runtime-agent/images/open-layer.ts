import type { Digest } from '../../storage/oci/digest.ts';
import type { LayerContent } from '../snapshots/layer-content.ts';
import { decompress } from './decompress.ts';
import { gunzipInto } from './gunzip-into.ts';
import { limitedLayer } from './limited-layer.ts';
import { readCompression } from './read-compression.ts';

export interface OpenLayerOptions {
  /** The path of igzip, where it is installed. */
  readonly igzip: string | undefined;
  /** Bytes that an uncompressed layer may have. */
  readonly layerLimit: number;
}

/** The tar of a layer out of its blob: gzip, zstd or plain. Throws EngineError 'bad-request', as taking the content does. */
export async function openLayer(
  blob: { readonly digest: Digest; readonly mediaType: string },
  source: AsyncIterable<Uint8Array>,
  { igzip, layerLimit: limit }: OpenLayerOptions,
): Promise<LayerContent> {
  const opened = await readCompression(blob, source);
  const { content } = opened;
  const tar = limitedLayer(decompress(blob, opened, { igzip }), limit);
  if (opened.compression !== 'gzip' || igzip === undefined) return tar;
  return {
    [Symbol.asyncIterator]: () => tar[Symbol.asyncIterator](),
    writeInto: (fd, grown, signal) =>
      gunzipInto({ program: igzip, digest: blob.digest, content, fd, limit, grown, signal }),
  };
}
