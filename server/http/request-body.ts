import type { IncomingMessage, ServerResponse } from 'node:http';

/** Reports whether the request announces a body (RFC 9112, section 6.3). */
export function hasBody(req: IncomingMessage): boolean {
  if (req.headers['transfer-encoding'] !== undefined) return true;
  const length = req.headers['content-length'];
  return length !== undefined && Number(length) > 0;
}

/**
 * Yields the bytes of a request. A client that waits for `100 Continue` gets it when the first byte is requested, so
 * that a refused request never sends its body. Throws when the client hangs up before the end, and leaves the
 * connection open when the reader stops early, so that it can still be answered.
 */
export async function* requestBody(req: IncomingMessage, res: ServerResponse): AsyncGenerator<Uint8Array> {
  if (!hasBody(req)) return;
  if (expectsContinue(req) && !res.headersSent) res.writeContinue();
  yield* req.iterator({ destroyOnReturn: false });
}

/**
 * Reads the whole body of a request that announces `length` bytes, which fit into memory. Throws the reason of
 * `signal`, and when the client hangs up before the end.
 */
export function wholeBody(
  req: IncomingMessage,
  res: ServerResponse,
  length: number,
  signal: AbortSignal,
): Promise<Buffer> {
  signal.throwIfAborted();
  if (expectsContinue(req) && !res.headersSent) res.writeContinue();
  const body = Buffer.allocUnsafe(length);
  let size = 0;
  return new Promise<Buffer>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    req.on('data', (chunk: Buffer) => {
      size += chunk.copy(body, size);
    });
    req.once('end', () => resolve(body));
    req.once('error', reject);
    req.once('close', () => reject(new Error('the client hung up before the end of the body')));
  });
}

/** Returns the announced length of the body; undefined without one. */
export function announcedLength(req: IncomingMessage): number | undefined {
  if (req.headers['transfer-encoding'] !== undefined) return undefined;
  const length = req.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

export function expectsContinue(req: IncomingMessage): boolean {
  return req.headers.expect?.toLowerCase() === '100-continue';
}

const MOST_BYTES = 16 * 1024 * 1024;
const LONGEST_MS = 10_000;

/**
 * Continues reading after an answer that precedes the end of the request's body. Closing at once would reset the
 * connection and lose the answer for a client that is still sending; reading without a limit would let it send for
 * ever. So it reads 16 MiB or 10 seconds, then cuts the connection. Called before the answer is sent: at its end Node
 * begins to read by itself, without a limit.
 */
export function discardUnread(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return;
  let left = MOST_BYTES;
  const timer = setTimeout(() => req.destroy(), LONGEST_MS);
  timer.unref();
  req.once('close', () => clearTimeout(timer));
  req.once('end', () => clearTimeout(timer));
  req.on('error', () => undefined);
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
  req.resume();
}
