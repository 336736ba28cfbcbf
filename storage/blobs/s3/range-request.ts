import { connect, type Socket } from 'node:net';
import type { ByteRange } from '../blob-driver.ts';
import type { BlobConnection } from '../driver-capabilities.ts';

/** A request for a part of an object by its signed URL. */
export interface RangeRequest {
  readonly url: string;
  readonly range: ByteRange;
  /** Size of the whole object. */
  readonly size: number;
}

/** Returns the request text for a connection that carries nothing else (RFC 9110, section 14.2). */
export function rangeRequest({ url, range: { start, end } }: RangeRequest): string {
  const { host, pathname, search } = new URL(url);
  return `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nRange: bytes=${start}-${end}\r\nConnection: close\r\n\r\n`;
}

/**
 * Reports whether the headers announce the bytes of the request, and nothing after them (RFC 9112, section 6; RFC 9110,
 * 14.4).
 */
export function isAnswerTo({ range: { start, end }, size }: RangeRequest, head: string): boolean {
  const [status = '', ...lines] = head.trimEnd().split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return (
    /^HTTP\/1\.1 206(?: |$)/.test(status) &&
    headers.get('content-length') === String(end - start + 1) &&
    headers.get('content-range') === `bytes ${start}-${end}/${size}` &&
    !headers.has('transfer-encoding') &&
    !headers.has('content-encoding')
  );
}

/** Maximum bytes of an answer's headers, which arrive with the start of the body. */
const BUFFER_SIZE = 32 * 1024;

/**
 * GETs a part of an object (`http:`) over a dedicated connection, of which it reads only the head of the answer.
 * Returns undefined when the connection fails, the answer does not arrive within `time` milliseconds, or is anything
 * but the requested bytes, unencoded and with their length. Throws the signal's reason.
 */
export async function rawGet(
  request: RangeRequest,
  time: number,
  signal: AbortSignal | undefined,
): Promise<BlobConnection | undefined> {
  signal?.throwIfAborted();
  const { hostname, port } = new URL(request.url);
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  let filled = 0;
  const socket: Socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 80),
    onread: {
      buffer: () => buffer.subarray(filled),
      callback: (count) => {
        filled += count;
        const end = buffer.subarray(0, filled).indexOf('\r\n\r\n');
        if (end === -1 && filled < buffer.length) return true;
        resolve(end === -1 ? undefined : buffer.subarray(0, end + 4));
        // Node stops reading: the owner of the descriptor reads the rest.
        return false;
      },
    },
  });
  const giveUp = () => resolve(undefined);
  socket.setNoDelay(true).on('error', giveUp).on('close', giveUp);
  const late = setTimeout(giveUp, time);
  signal?.addEventListener('abort', giveUp, { once: true });
  socket.write(rangeRequest(request));
  const head = await promise;
  clearTimeout(late);
  signal?.removeEventListener('abort', giveUp);
  if (head === undefined || signal?.aborted || !isAnswerTo(request, head.toString('latin1'))) {
    socket.destroy();
    signal?.throwIfAborted();
    return undefined;
  }
  return { socket, begun: buffer.subarray(head.length, filled), close: () => socket.destroy() };
}
