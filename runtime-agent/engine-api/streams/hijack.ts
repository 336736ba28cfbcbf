import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { publishContainerEvent } from '../../containers/container-events.ts';
import { EngineError } from '../../errors.ts';
import { escapeContainerName, splitVersion } from '../api-version.ts';
import { decodeExecStart } from '../decode/exec-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { endConnection } from '../http/connection-end.ts';
import { readJsonBody } from '../http/json-body.ts';
import { openAttach, type StreamSession } from './attach.ts';
import { RAW_STREAM, refuseUpgrade, streamContentType, writeHead } from './raw-answer.ts';
import { relayAttachment } from './relay-attachment.ts';

/** Whether a request takes its connection over. */
export function mayUpgrade(request: IncomingMessage): boolean {
  const path = (request.url ?? '').split('?')[0] ?? '';
  return request.method === 'POST' && UPGRADED.test(path);
}

const UPGRADED = /^(?:\/v\d+\.\d+)?\/(?:containers\/.+\/attach|exec\/[^/]+\/start)$/;

/**
 * Serves a connection that the client takes over: a head and then raw bytes, or an ordinary error answer. The head is 200 OK
 * for a `plain` client, which did not ask for an upgrade, and 101 UPGRADED otherwise. Never rejects; ends when the connection
 * has nothing more to carry.
 */
export async function serveUpgrade(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
  plain: boolean,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '', 'http://agent');
    const { version, path } = splitVersion(url.pathname);
    const session = await openSession(deps, request, escapeContainerName(path), url.searchParams);
    if (session === 'detached') {
      writeHead(deps, socket, '200 OK', { 'Content-Length': '0', Connection: 'close' });
      endConnection(socket);
      return;
    }
    if (plain) writeHead(deps, socket, '200 OK', { 'Content-Type': RAW_STREAM });
    else {
      const type = streamContentType(session.tty, version);
      writeHead(deps, socket, '101 UPGRADED', {
        'Content-Type': type,
        Connection: 'Upgrade',
        Upgrade: 'tcp',
      });
    }
    await relay(deps, request, socket, session);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
  }
}

async function relay(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
  session: StreamSession,
): Promise<void> {
  try {
    await session.relay(socket);
  } catch (error) {
    deps.log.error({ err: error, url: request.url }, 'a stream broke off');
    socket.destroy();
  }
}

async function openSession(
  deps: EngineDeps,
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
): Promise<StreamSession | 'detached'> {
  const [, kind, ref = ''] = /^\/(containers|exec)\/([^/]+)\//.exec(path) ?? [];
  if (kind === undefined) throw new EngineError('not-found', 'page not found');
  return kind === 'exec' ? openExec(deps, decodeRef(ref), request) : openAttach(deps, decodeRef(ref), query);
}

function decodeRef(ref: string): string {
  try {
    return decodeURIComponent(ref);
  } catch (error) {
    throw new EngineError('bad-request', `invalid escape in the container name ${ref}`, { cause: error });
  }
}

/**
 * Serves `POST /exec/{id}/start` (Engine API, ExecStart) with its streams; `detached` when the client wants none, and the
 * command runs already. Throws EngineError.
 */
async function openExec(
  deps: EngineDeps,
  id: string,
  request: IncomingMessage,
): Promise<StreamSession | 'detached'> {
  const { detach, tty, size } = decodeExecStart(await readJsonBody(request));
  const options = size === undefined ? {} : { size };
  if (detach) {
    await deps.execs.startDetached(id, options);
    return 'detached';
  }
  const exec = await deps.execs.get(id);
  const { attachStdin: stdin, detachKeys } = exec.request;
  const container = await deps.containers.get(exec.containerId);
  const { attachment } = await deps.execs.start(id, options);
  const onDetach = () => publishContainerEvent(deps.events, container, 'exec_detach', { execID: id });
  return {
    tty,
    relay: async (socket) =>
      relayAttachment(socket, await attachment, {
        tty,
        stdin,
        detachKeys,
        onDetach,
        stopping: deps.stopping,
      }),
  };
}
