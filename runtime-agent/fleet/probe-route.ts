import { connect } from 'node:net';
import type { RouteSpec } from '../../fleet/service.ts';
import { http } from '../../lib/http/node-http.ts';

/** Timeout of a probe, milliseconds. */
const PATIENCE = 5000;

/**
 * Probes an instance directly, as a client of the route would. It is ready if its health path answers 2xx or 3xx, or,
 * without a health path, if its port accepts a connection. Returns undefined if it is ready, otherwise the reason.
 */
export async function probeRoute(
  route: RouteSpec,
  address: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { port } = route;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  if (route.kind === 'tcp' || route.health === undefined) return probePort(address, port, limit);
  const { health, host } = route;
  return new Promise((resolve) => {
    const outgoing = http.request({
      host: address,
      port,
      path: health,
      method: 'GET',
      headers: { host, 'user-agent': 'berth-agent' },
      agent: false,
      signal: limit,
    });
    outgoing.once('response', (response) => {
      const { statusCode = 0 } = response;
      response.destroy();
      resolve(statusCode >= 200 && statusCode < 400 ? undefined : `${health} answers ${statusCode}`);
    });
    outgoing.once('error', (error) => resolve(failure(`${health} of port ${port}`, error)));
    outgoing.end();
  });
}

function probePort(address: string, port: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(failure(`port ${port}`, error)));
  });
}

function failure(what: string, error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return `${what} does not answer`;
  return `${what} does not answer (${error.code ?? error.message})`;
}
