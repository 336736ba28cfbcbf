import { METRICS_TYPE, type MetricSet } from '../../lib/metrics/metric-set.ts';
import { COMMON_HEADERS } from '../http/common-headers.ts';
import { listen } from '../http/listen.ts';
import { http } from '../http/node-http.ts';

/** More connections than monitoring needs. */
const MOST_CONNECTIONS = 64;

/** The listener that Prometheus asks. */
export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Answers `GET /metrics` on an address of its own: numbers tell how a registry is used, and a listener that
 * clients do not reach needs no password. Rejects with the system's error when it cannot listen.
 */
export async function startMetricsServer(
  metrics: MetricSet,
  address: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const server = http.createServer((req, res) => {
    const known = req.url === '/metrics' && (req.method === 'GET' || req.method === 'HEAD');
    const body = known ? metrics.expose() : 'metrics are at /metrics\n';
    res.writeHead(known ? 200 : 404, {
      ...COMMON_HEADERS,
      'Content-Type': known ? METRICS_TYPE : 'text/plain; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
    });
    res.end(body);
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
