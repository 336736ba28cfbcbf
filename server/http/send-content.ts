import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Context } from 'koa';

/**
 * Sends content whose status and headers are set, past koa. Resolves when the client has it all. When the
 * content fails in the middle the connection is cut, so that the client does not take a part for the whole.
 */
export async function sendContent(
  ctx: Context,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  ctx.respond = false;
  await pipeline(passing(content, ctx.res), ctx.res, { signal });
}

/**
 * Lets go of the memory of large chunks as soon as they are with the system: left to the garbage collector they make
 * it work all the time. One that is as large as what may be buffered is there when the next one is asked for.
 */
async function* passing(content: AsyncIterable<Uint8Array>, res: ServerResponse): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    const isSentBeforeNext = chunk.byteLength >= res.writableHighWaterMark;
    yield chunk;
    const { buffer } = chunk;
    if (isSentBeforeNext && buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) {
      buffer.transfer(0);
    }
  }
}
