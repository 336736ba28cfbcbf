import { type HttpResponse, IDLE_TIMEOUT } from './http-exchange.ts';

/**
 * The body's chunks as they come; of a bulk request each is good until the next is asked for. Fails when none comes for IDLE_TIMEOUT; time that the reader takes itself does not
 * count. The connection is freed when the reader stops early.
 */
export async function* streamBody(response: HttpResponse, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { body } = response;
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const timer = setTimeout(
        () => body.destroy(new Error(`no data for ${IDLE_TIMEOUT / 1000} seconds`)),
        IDLE_TIMEOUT,
      );
      let step: IteratorResult<Buffer>;
      try {
        step = await chunks.next();
      } catch (error) {
        throw signal.aborted ? signal.reason : error;
      } finally {
        clearTimeout(timer);
      }
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    body.destroy();
  }
}

/** The whole body, of at most `limit` bytes; undefined when it is longer. */
export async function readBody(
  response: HttpResponse,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of streamBody(response, signal)) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
