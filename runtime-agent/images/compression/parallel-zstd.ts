import { promisify } from 'node:util';
import { constants, type ZstdOptions, zstdCompress } from 'node:zlib';
import { inBlocks, sideBySide } from './in-blocks.ts';

/** Twice the window of the default level, so that little is lost at the seams. */
const BLOCK = 4 << 20;

const compress: (block: Uint8Array, options: ZstdOptions) => Promise<Buffer> = promisify(zstdCompress);

/**
 * `content` as zstd (RFC 8878): a frame for each block, compressed on all processors. The same content and level (1 to 22) become the
 * same bytes, however it is cut into chunks and however many processors there are. Node's own streams lose data when they are given
 * workers (ZSTD_c_nbWorkers).
 */
export async function* zstd(content: AsyncIterable<Uint8Array>, level?: number): AsyncGenerator<Buffer> {
  const options: ZstdOptions = {
    params: {
      [constants.ZSTD_c_checksumFlag]: 1,
      ...(level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level }),
    },
  };
  let isEmpty = true;
  yield* sideBySide(inBlocks(content, BLOCK), (block) => {
    isEmpty = false;
    return compress(block, options);
  });
  if (isEmpty) yield await compress(Buffer.alloc(0), options);
}
