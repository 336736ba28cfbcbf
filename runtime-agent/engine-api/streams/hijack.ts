import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors.ts';
import { splitVersion } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { engineHeaders } from '../engine-headers.ts';
import { errorAnswer, errorBody } from '../error-status.ts';
import { type AttachSession, openAttach } from './attach.ts';
import { streamContentType } from './content-type.ts';

/** Whether a request that asks for a connection upgrade gets one. */
export function mayUpgrade(request: IncomingMessage): boolean {
  const path = (request.url ?? '').split('?')[0] ?? '';
  return request.method === 'POST' && /^(\/v\d+\.\d+)?\/containers\/[^/]+\/attach$/.test(path);
}

/**
 * Serves a connection that the client wants to take over: 101 UPGRADED and then raw bytes, or an ordinary
 * error answer. Never rejects; ends when the connection has nothing more to carry.
 */
export async function serveUpgrade(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  const headers = engineHeaders(deps.host.version);
  let session: AttachSession;
  try {
    const url = new URL(request.url ?? '', 'http://agent');
    const ref = /^\/containers\/([^/]+)\/attach$/.exec(splitVersion(url.pathname).path)?.[1];
    if (ref === undefined) throw new EngineError('not-found', 'page not found');
    session = await openAttach(deps, decodeRef(ref), url.searchParams);
  } catch (error) {
    const { status, message, expected } = errorAnswer(error);
    if (!expected) deps.log.error({ err: error, url: request.url }, 'attach failed');
    const body = errorBody(message);
    const length = String(Buffer.byteLength(body));
    const fields = {
      ...headers,
      'Content-Type': 'application/json',
      'Content-Length': length,
      Connection: 'close',
    };
    socket.end(`${head(`${status} ${STATUS_CODES[status] ?? ''}`, fields)}${body}`);
    return;
  }
  const type = streamContentType(session.tty);
  socket.write(
    head('101 UPGRADED', { 'Content-Type': type, Connection: 'Upgrade', Upgrade: 'tcp', ...headers }),
  );
  try {
    await session.relay(socket);
  } catch (error) {
    deps.log.error({ err: error, url: request.url }, 'attach broke off');
    socket.destroy();
  }
}

function decodeRef(ref: string): string {
  try {
    return decodeURIComponent(ref);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the container name ${ref}`, { cause: error });
  }
}

function head(status: string, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return `${[`HTTP/1.1 ${status}`, ...lines].join('\r\n')}\r\n\r\n`;
}
