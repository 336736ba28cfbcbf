import { createHash } from 'node:crypto';
import { PassThrough, Readable, Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { addBlobStream, type LayoutDescriptor, MEDIA_TYPE } from './oci-layout.ts';

/** 'gzip-stored' is gzip that takes no time: it holds the bytes as they are. */
export type LayerCompression = 'none' | 'gzip' | 'gzip-stored' | 'zstd';

/** A layer of a layout: its blob, and the digest of its uncompressed tar. */
export interface Layer {
  readonly descriptor: LayoutDescriptor;
  readonly diffId: string;
}

const LAYER_MEDIA_TYPE: Readonly<Record<LayerCompression, string>> = {
  none: MEDIA_TYPE.ociLayer,
  gzip: MEDIA_TYPE.ociLayerGzip,
  'gzip-stored': MEDIA_TYPE.ociLayerGzip,
  zstd: MEDIA_TYPE.ociLayerZstd,
};

/** Compresses a tar into a blob of the layout, in bounded memory. */
export async function addLayer(
  layout: string,
  tar: Readable | Uint8Array,
  compression: LayerCompression = 'gzip',
): Promise<Layer> {
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const source = tar instanceof Uint8Array ? Readable.from([tar]) : tar;
  const compressor = makeCompressor(compression);
  source.once('error', (error) => hashing.destroy(error));
  hashing.once('error', (error) => compressor.destroy(error));
  source.pipe(hashing).pipe(compressor);
  const descriptor = await addBlobStream(layout, LAYER_MEDIA_TYPE[compression], compressor);
  return { descriptor, diffId: `sha256:${hash.digest('hex')}` };
}

function makeCompressor(compression: LayerCompression): Transform {
  switch (compression) {
    case 'none':
      return new PassThrough();
    case 'gzip':
      return createGzip({ level: 1 });
    case 'gzip-stored':
      return createGzip({ level: 0, chunkSize: 256 * 1024 });
    case 'zstd':
      return createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  }
}
