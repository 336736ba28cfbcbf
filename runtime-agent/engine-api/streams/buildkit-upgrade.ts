import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { refuseUpgrade, writeHead } from './raw-answer.ts';

/** Whether a request is one of BuildKit's two (Engine API, "Session"; `/grpc` is documented nowhere). No version is in their paths. */
export function isBuildkit(request: IncomingMessage): boolean {
  return request.method === 'POST' && /^(\/v\d+\.\d+)?\/(grpc|session)(\?|$)/.test(request.url ?? '');
}

/** Whether one of them names the protocol to upgrade to, which is enough for dockerd: it wants no `Connection: Upgrade`. */
export function asksForH2c(request: IncomingMessage): boolean {
  return isBuildkit(request) && request.headers.upgrade?.toLowerCase() === 'h2c';
}

/** Why a request for BuildKit is refused, in the words of its session manager. */
export function notSpoken(protocol: string | undefined): string {
  if (protocol === undefined || protocol === '')
    return 'no upgrade proto in request: ask for an upgrade to h2c';
  return `protocol ${protocol.slice(0, 40)} not supported: ask for an upgrade to h2c`;
}

/** Hands the connection of `POST /grpc` or `POST /session` over to BuildKit's API, or answers an error. Never rejects. */
export async function serveBuildkit(
  deps: EngineDeps,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  try {
    const { upgrade } = request.headers;
    if (upgrade?.toLowerCase() !== 'h2c') throw new EngineError('bad-request', notSpoken(upgrade));
    if (deps.buildkit === undefined) throw new EngineError('not-implemented', 'this agent builds nothing');
    const serve = await deps.buildkit.accept(request);
    const fields = { Connection: 'Upgrade', Upgrade: 'h2c' };
    // HTTP/2 takes the connection over beneath its stream, where Node ends the process if a write is still under way.
    await new Promise<void>((written) => writeHead(deps, socket, '101 UPGRADED', fields, written));
    if (!socket.destroyed) serve(socket);
  } catch (error) {
    refuseUpgrade(deps, socket, request.url, error);
  }
}
