import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { http } from '../../lib/http/node-http.ts';
import { BulkBody, type ResponseBody } from './bulk-body.ts';
import { type ResponseHead, readResponseHead } from './response-head.ts';

export interface BulkRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** For `https:`: whom to trust, or undefined for anybody. */
  readonly trusted?: SecureContext;
  /** Milliseconds without a byte of the head after which the connection counts as dead. */
  readonly timeout: number;
  /** Milliseconds that the whole head may take, from the connection on. */
  readonly headTimeout: number;
  readonly signal: AbortSignal;
}

const END_OF_HEAD = '\r\n\r\n';

/**
 * GETs something large over a connection of its own, whose body is a BulkBody. Undefined when the answer is none that
 * readResponseHead takes: then it has to be asked for again by other means. Rejects as the connection does, and with the
 * signal's reason.
 */
export async function bulkGet(
  request: BulkRequest,
): Promise<(ResponseHead & { readonly body: ResponseBody }) | undefined> {
  const { url, headers, signal, timeout, headTimeout } = request;
  signal.throwIfAborted();
  const lines = Object.entries({ host: url.host, ...headers, connection: 'close' }).map(([name, value]) => {
    http.validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  const body = new BulkBody();
  const head = Promise.withResolvers<number>();
  let hasHead = false;
  const socket = open(request, {
    buffer: () => body.room,
    callback: (count) => {
      const hasRoom = body.took(count);
      if (hasHead) return hasRoom;
      const end = body.received.indexOf(END_OF_HEAD);
      if (end === -1 && hasRoom) return true;
      hasHead = true;
      head.resolve(end);
      // Until it is known what follows.
      return false;
    },
  });
  const abort = () => socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  const failed = (error: Error) => head.reject(signal.aborted ? signal.reason : error);
  const closed = () => failed(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
  socket.on('error', failed).on('close', closed);
  const giveUp = (after: number) => socket.destroy(new Error(`no answer for ${after / 1000} seconds`));
  socket.setTimeout(timeout, () => giveUp(timeout));
  const late = setTimeout(() => giveUp(headTimeout), headTimeout);
  socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  const end = await head.promise.finally(() => clearTimeout(late));
  socket.setTimeout(0);
  const read = end === -1 ? undefined : readResponseHead(body.received.toString('latin1', 0, end));
  if (read === undefined) {
    socket.destroy();
    return undefined;
  }
  body.begin(socket, end + END_OF_HEAD.length, read.length);
  return { ...read, body };
}

function open({ url, trusted }: BulkRequest, onread: OnReadOpts): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'https:') return connect({ host, port: Number(url.port || 80), onread });
  // Loaded at its first use: an agent may well have none but plain registries.
  return process.getBuiltinModule('node:tls').connect({
    host,
    port: Number(url.port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    ...(trusted === undefined ? { rejectUnauthorized: false } : { secureContext: trusted }),
    // Not in its types, though in its documentation.
    ...{ onread },
  });
}
