import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';
import { inBlocks, sideBySide } from './in-blocks.ts';

const BLOCK = 1 << 20;
/** What deflate can refer back to. */
const WINDOW = 32 << 10;
/** RFC 1952: deflate, no name, no time, an unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block (RFC 1951, 3.2.6). */
const LAST_BLOCK = Buffer.from([3, 0]);

const deflate: (block: Uint8Array, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw);

/**
 * One gzip member of `content`, compressed in blocks on all processors. The same content and level (0 to 9) become the same bytes,
 * however it is cut into chunks and however many processors there are.
 */
export async function* gzip(content: AsyncIterable<Uint8Array>, level?: number): AsyncGenerator<Buffer> {
  let checksum = 0;
  let size = 0;
  let dictionary: Buffer | undefined;
  yield HEADER;
  yield* sideBySide(inBlocks(content, BLOCK), (block) => {
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
