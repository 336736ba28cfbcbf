import { METRICS_TYPE, type MetricSet } from '../../lib/metrics/metric-set.ts';
import { listen } from '../http/listen.ts';
import { createPlainServer } from '../http/plain-server.ts';

/** More connections than monitoring needs. */
const MOST_CONNECTIONS = 64;

/** The listener that Prometheus asks. */
export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers `GET /metrics` on a separate address: numbers reveal how a registry is used, and a listener that clients
 * cannot reach needs no password. Rejects with the system's error when it cannot listen.
 */
export async function startMetricsServer(
  metrics: MetricSet,
  address: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = createPlainServer({}, ({ method, url }) => {
    const known = url === '/metrics' && (method === 'GET' || method === 'HEAD');
    return known
      ? { status: 200, body: metrics.expose(), headers: { 'Content-Type': METRICS_TYPE } }
      : { status: 404, body: 'metrics are at /metrics\n' };
  });
  server.maxConnections = MOST_CONNECTIONS;
  const port = await listen(server, address);
  return {
    port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
