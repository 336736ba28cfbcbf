import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors.ts';
import { splitVersion } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { type AttachSession, openAttach } from './attach.ts';
import { streamContentType } from './content-type.ts';
import { refuseUpgrade, writeHead } from './raw-answer.ts';

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
  let session: AttachSession;
  try {
    const url = new URL(request.url ?? '', 'http://agent');
    const ref = /^\/containers\/([^/]+)\/attach$/.exec(splitVersion(url.pathname).path)?.[1];
    if (ref === undefined) throw new EngineError('not-found', 'page not found');
    session = await openAttach(deps, decodeRef(ref), url.searchParams);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
    return;
  }
  const type = streamContentType(session.tty);
  writeHead(deps, socket, '101 UPGRADED', { 'Content-Type': type, Connection: 'Upgrade', Upgrade: 'tcp' });
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
