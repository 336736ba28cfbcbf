import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions, type ZstdOptions, zstdCompress } from 'node:zlib';
import type { Digest } from '../../../oci/digest.ts';
import type { LayerStore } from '../../snapshots/layer-store.ts';
import { storageFull } from '../../storage-full.ts';
import type { LayerBlobs, LayerForm } from '../layer-blobs/layer-blobs.ts';
import { inBlocks, sideBySide } from './in-blocks.ts';
import { type LayerCompression, ociLayerType } from './layer-compression.ts';

export interface CompressRequest {
  readonly diffId: Digest;
  readonly compression: LayerCompression & { readonly kind: 'gzip' | 'zstd' };
  readonly layerStore: LayerStore;
  readonly layerBlobs: LayerBlobs;
  /** Receives the number of bytes of the tar that are done. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Compresses a layer of this host and stores the blob with its description. Throws EngineError 'storage-full',
 * 'not-found'.
 */
export async function compressLayer(request: CompressRequest): Promise<LayerForm['blob']> {
  const { diffId, compression, layerStore, layerBlobs, progress, signal } = request;
  const { kind, level } = compression;
  const kept = await layerBlobs.keepingNew();
  try {
    const hash = createHash('sha256');
    let size = 0;
    const tar = counted(layerStore.read(diffId, signal), progress);
    for await (const chunk of kept.pass(kind === 'zstd' ? zstd(tar, level) : gzip(tar, level))) {
      hash.update(chunk);
      size += chunk.length;
    }
    const digest: Digest = `sha256:${hash.digest('hex')}`;
    const blob: LayerForm['blob'] = { digest, mediaType: ociLayerType(kind), size };
    await layerBlobs.recordMade({ diffId, blob });
    await kept.commit(digest);
    return blob;
  } catch (error) {
    throw storageFull(error) ?? error;
  } finally {
    await kept.close();
  }
}

async function* counted(
  tar: AsyncIterable<Uint8Array>,
  progress: (done: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of tar) {
    yield chunk;
    done += chunk.length;
    progress(done);
  }
}

/** Bytes of a separately compressed block. */
const GZIP_BLOCK = 1 << 20;
/** Bytes that deflate can refer back to. */
const WINDOW = 32 << 10;
/** RFC 1952: deflate, no name, no time, an unknown system. */
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block (RFC 1951, 3.2.6). */
const LAST_BLOCK = Buffer.from([3, 0]);

const deflate: (block: Uint8Array, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw);

/**
 * Yields one gzip member of `content`, compressed in blocks on all processors. The same content and level (0 to 9) give
 * the same bytes, regardless of chunk sizes and the number of processors.
 */
async function* gzip(content: AsyncIterable<Uint8Array>, level?: number): AsyncGenerator<Buffer> {
  let checksum = 0;
  let size = 0;
  let dictionary: Buffer | undefined;
  yield GZIP_HEADER;
  yield* sideBySide(inBlocks(content, GZIP_BLOCK), (block) => {
    checksum = crc32(block, checksum);
    size += block.length;
    const compressed = deflate(block, {
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary && { dictionary }),
      ...(level === undefined ? {} : { level }),
    });
    dictionary = block.subarray(-WINDOW);
    return compressed;
  });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

/** Bytes of a frame: twice the window of the default level, so that splitting costs little. */
const ZSTD_BLOCK = 4 << 20;

const compress: (block: Uint8Array, options: ZstdOptions) => Promise<Buffer> = promisify(zstdCompress);

/**
 * Yields `content` as zstd (RFC 8878): a frame for each block, compressed on all processors. The same content and level
 * (1 to 22) give the same bytes, regardless of chunk sizes and the number of processors. Node's own streams lose data
 * when they are given workers (ZSTD_c_nbWorkers).
 */
async function* zstd(content: AsyncIterable<Uint8Array>, level?: number): AsyncGenerator<Buffer> {
  const options: ZstdOptions = {
    params: {
      [constants.ZSTD_c_checksumFlag]: 1,
      ...(level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level }),
    },
  };
  let isEmpty = true;
  yield* sideBySide(inBlocks(content, ZSTD_BLOCK), (block) => {
    isEmpty = false;
    return compress(block, options);
  });
  if (isEmpty) yield await compress(Buffer.alloc(0), options);
}
