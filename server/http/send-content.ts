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
  await pipeline(content, ctx.res, { signal });
}
