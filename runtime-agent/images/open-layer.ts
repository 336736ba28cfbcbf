import { write } from 'node:fs';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { LayerContent } from '../snapshots/layer-store.ts';
import { damagedLayer, decompress } from './decompress.ts';
import { decompressInto } from './decompress-into.ts';
import type { Decompressors } from './decompressors.ts';
import { limitedLayer } from './limited-layer.ts';
import { type BlobContent, readCompression } from './read-compression.ts';

export interface OpenLayerOptions {
  readonly decompressors: Decompressors;
  /** Bytes that an uncompressed layer may have. */
  readonly layerLimit: number;
}

/** Bytes of a gzip blob that is decompressed in memory, in less time than a program takes to start. */
export const MAX_SMALL_BLOB = 256 << 10;
/** Bytes of its tar, which is digested in one turn of the event loop. */
const MAX_SMALL_TAR = 1 << 20;

/** The tar of a layer out of its blob: gzip, zstd or plain. Throws EngineError 'bad-request', as taking the content does. */
export async function openLayer(
  blob: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>,
  source: AsyncIterable<Uint8Array>,
  { decompressors, layerLimit: limit }: OpenLayerOptions,
): Promise<LayerContent> {
  const read = await readCompression(blob, source);
  const isSmall = read.compression === 'gzip' && blob.size <= MAX_SMALL_BLOB;
  const opened = isSmall ? await openSmall(blob, read) : read;
  const { content, compression } = opened;
  const decompressor = compression && decompressors[compression];
  const tar = limitedLayer(decompress(blob, opened, decompressors), limit);
  const iterate = () => tar[Symbol.asyncIterator]();
  if (isSmall && compression === undefined) return { [Symbol.asyncIterator]: iterate };
  return {
    [Symbol.asyncIterator]: iterate,
    writeInto: (fd, grown, signal) => {
      if (compression === undefined || decompressor === undefined) return writeLayer(tar, fd, grown, signal);
      const { digest } = blob;
      return decompressInto({ decompressor, compression, digest, content, fd, limit, grown, signal });
    },
  };
}

/** The tar of a gzip blob where it is small too, otherwise the blob. Throws EngineError 'bad-request', what `content` fails with. */
async function openSmall(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  { compression, content }: BlobContent,
): Promise<BlobContent> {
  const bytes = Buffer.alloc(size);
  let length = 0;
  // The memory of a chunk may be used again. More bytes than were stated are refused by `content` at its end.
  for await (const chunk of content) {
    bytes.set(chunk.subarray(0, size - length), length);
    length = Math.min(size, length + chunk.length);
  }
  try {
    const tar = await promisify(gunzip)(bytes, { maxOutputLength: MAX_SMALL_TAR });
    return { compression: undefined, content: single(tar) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw damagedLayer(digest, 'gzip', error as Error);
    return { compression, content: single(bytes) };
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const writeAt = promisify(write);

/** Writes a layer into the descriptor of an empty file: LayerContent.writeInto. Throws as `tar` and the device do. */
async function writeLayer(
  tar: AsyncIterable<Uint8Array>,
  fd: number,
  grown: () => void,
  signal: AbortSignal,
): Promise<void> {
  let position = 0;
  for await (const chunk of tar) {
    signal.throwIfAborted();
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await writeAt(fd, chunk, offset, chunk.length - offset, position);
      offset += bytesWritten;
      position += bytesWritten;
    }
    grown();
  }
  signal.throwIfAborted();
}
