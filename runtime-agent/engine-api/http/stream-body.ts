import { Readable } from 'node:stream';
import type { Context } from 'koa';

/**
 * Answers 200 with what `chunks` yields, written as it comes. The headers leave at once: `docker run` and
 * `docker events` wait for them before they go on.
 */
export function streamBody(
  ctx: Context,
  contentType: string,
  chunks: AsyncIterable<Uint8Array | string>,
): void {
  ctx.status = 200;
  ctx.set('Content-Type', contentType);
  ctx.body = Readable.from(chunks, { objectMode: false });
  ctx.set('Content-Type', contentType);
  ctx.flushHeaders();
}
