import { createPlainServer, listenPlain, type PlainListener } from '../http/plain-server.ts';
import { METRICS_TYPE, type MetricSet } from './metric-set.ts';

/** Timeouts in milliseconds: clients that send no complete request must not use up the connections of monitoring. */
const TIMEOUTS = { headersTimeout: 2_000, requestTimeout: 2_000, connectionsCheckingInterval: 500 };
/** Maximum connections, more than monitoring needs. */
const MOST_CONNECTIONS = 64;

/**
 * Answers `GET /metrics` on a separate address: numbers reveal what a program is used for, and a listener that clients
 * cannot reach needs no password. Rejects with the system's error when it cannot listen.
 */
export async function startMetricsServer(
  metrics: MetricSet,
  address: { readonly host: string; readonly port: number },
): Promise<PlainListener> {
  const server = createPlainServer(TIMEOUTS, async ({ method, url }) => {
    if (url !== '/metrics') return { status: 404, body: 'metrics are at /metrics\n' };
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, body: 'metrics are read with GET\n', headers: { Allow: 'GET, HEAD' } };
    }
    return { status: 200, body: await metrics.collect(), headers: { 'Content-Type': METRICS_TYPE } };
  });
  server.maxConnections = MOST_CONNECTIONS;
  return listenPlain(server, address);
}
