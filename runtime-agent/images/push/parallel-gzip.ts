import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';

const BLOCK = 1 << 20;
/** What deflate can refer back to. */
const WINDOW = 32 << 10;
/** RFC 1952: deflate, no name, no time, an unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block (RFC 1951, 3.2.6). */
const LAST_BLOCK = Buffer.from([3, 0]);

const deflate: (block: Uint8Array, options: ZlibOptions) => Promise<Buffer> = promisify(deflateRaw);

/**
 * One gzip member of `content`, compressed in blocks on all processors. The same content becomes the same bytes, however it
 * is cut into chunks and however many processors there are.
 */
export async function* gzip(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const ahead = availableParallelism() + 1;
  const compressing: Promise<Buffer>[] = [];
  let checksum = 0;
  let size = 0;
  let dictionary: Buffer | undefined;
  yield HEADER;
  for await (const block of inBlocks(content)) {
    checksum = crc32(block, checksum);
    size += block.length;
    const compressed = deflate(block, {
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary && { dictionary }),
    });
    // A later one that fails before its turn is no unhandled rejection.
    compressed.catch(() => undefined);
    compressing.push(compressed);
    dictionary = block.subarray(-WINDOW);
    if (compressing.length === ahead) yield await (compressing.shift() as Promise<Buffer>);
  }
  for (const compressed of compressing) yield await compressed;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

async function* inBlocks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    let rest = chunk;
    while (length + rest.length >= BLOCK) {
      const taken = BLOCK - length;
      yield Buffer.concat([...waiting, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      waiting = [];
      length = 0;
    }
    if (rest.length > 0) waiting.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}
