import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors.ts';
import { escapeContainerName, splitVersion } from '../api-version.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { openAttach, type StreamSession } from './attach.ts';
import { streamContentType } from './content-type.ts';
import { openExec } from './exec.ts';
import { refuseUpgrade, writeHead } from './raw-answer.ts';

/** Whether a request that asks for a connection upgrade gets one. */
export function mayUpgrade(request: IncomingMessage): boolean {
  const path = (request.url ?? '').split('?')[0] ?? '';
  return request.method === 'POST' && UPGRADED.test(path);
}

const UPGRADED = /^(?:\/v\d+\.\d+)?\/(?:containers\/.+\/attach|exec\/[^/]+\/start)$/;

/**
 * Serves a connection that the client wants to take over: 101 UPGRADED and then raw bytes, or an ordinary
 * error answer. Never rejects; ends when the connection has nothing more to carry.
 */
export async function serveUpgrade(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  let session: StreamSession | 'detached';
  try {
    session = await openSession(deps, request);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
    return;
  }
  if (session === 'detached') {
    writeHead(deps, socket, '200 OK', { 'Content-Length': '0', Connection: 'close' });
    socket.end();
    return;
  }
  const type = streamContentType(session.tty);
  writeHead(deps, socket, '101 UPGRADED', { 'Content-Type': type, Connection: 'Upgrade', Upgrade: 'tcp' });
  try {
    await session.relay(socket);
  } catch (error) {
    deps.log.error({ err: error, url: request.url }, 'a stream broke off');
    socket.destroy();
  }
}

async function openSession(deps: EngineDeps, request: IncomingMessage): Promise<StreamSession | 'detached'> {
  const url = new URL(request.url ?? '', 'http://agent');
  const [, kind, ref = ''] =
    /^\/(containers|exec)\/([^/]+)\//.exec(escapeContainerName(splitVersion(url.pathname).path)) ?? [];
  if (kind === undefined) throw new EngineError('not-found', 'page not found');
  return kind === 'exec'
    ? openExec(deps, decodeRef(ref), request)
    : openAttach(deps, decodeRef(ref), url.searchParams);
}

function decodeRef(ref: string): string {
  try {
    return decodeURIComponent(ref);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the container name ${ref}`, { cause: error });
  }
}
