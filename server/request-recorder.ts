import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type Identity, nameOf } from '../auth/access/access.ts';
import type { Observations } from '../lib/metrics/metric.ts';
import type { MetricSet } from '../lib/metrics/metric-set.ts';
import { tracer } from '../lib/tracing/trace.ts';
import { requestOrigin, type TrustedProxies } from './http/forwarded.ts';
import { type LogSampler, shortPath } from './log.ts';

/** Facts about a finished request. */
export interface EndedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The identity; undefined for an anonymous client. */
  readonly user: string | undefined;
  /** The pattern of the route that answered, or `none`. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** On the connection, heads included. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Facts that only the handler of a request knows. */
export interface RequestNotes {
  readonly route: string;
  readonly identity: Identity;
  /** Bytes of the answer that bypassed Node. */
  readonly sentPastNode: number;
  /** Bytes of the request that bypassed Node. */
  readonly receivedPastNode: number;
}

/** Samplers that decide which of many similar requests are logged, by their outcome. */
export interface RequestSamplers {
  /** For successful GET and HEAD requests. */
  readonly reads: LogSampler;
  /** For refusals (4xx), which need no login. */
  readonly refusals: LogSampler;
  readonly others: LogSampler;
}

/** Follows requests to their end, then counts and logs them: neither query nor headers, which may contain secrets. */
export class RequestRecorder {
  readonly #log: Logger;
  readonly #samplers: RequestSamplers;
  readonly #proxies: TrustedProxies;
  readonly #count: (request: EndedRequest, socket: Socket) => void;
  // When a request is seen, its headers have been read: it begins where the previous one ended.
  readonly #bytesRead = new WeakMap<Socket, number>();

  constructor(
    log: Logger,
    samplers: RequestSamplers,
    proxies: TrustedProxies,
    count: (request: EndedRequest, socket: Socket) => void,
  ) {
    this.#log = log;
    this.#samplers = samplers;
    this.#proxies = proxies;
    this.#count = count;
  }

  /** `notes` is called when the request has ended, however it did. */
  follow(req: IncomingMessage, res: ServerResponse, requestId: string, notes: () => RequestNotes): void {
    const { socket } = req;
    const method = req.method ?? '';
    const started = performance.now();
    const written = socket.bytesWritten;
    const peer = socket.remoteAddress;
    const remote = this.#proxies.includes(peer) ? requestOrigin(req, this.#proxies).remote : peer;
    res.on('close', () => {
      const milliseconds = performance.now() - started;
      const { route, identity, sentPastNode, receivedPastNode } = notes();
      const { bytesRead } = socket;
      const bytesIn = bytesRead - (this.#bytesRead.get(socket) ?? 0) + receivedPastNode;
      this.#bytesRead.set(socket, bytesRead);
      const bytesOut = socket.bytesWritten - written + sentPastNode;
      const status = res.statusCode;
      const path = pathOf(req);
      const user = nameOf(identity);
      const seconds = milliseconds / 1000;
      this.#count({ method, path, user, route, status, seconds, bytesIn, bytesOut }, socket);
      const aborted = !res.writableFinished;
      const traces = tracer();
      if (traces?.accepts()) {
        const span = spanOf({ requestId, method, route, status, path });
        const start = performance.timeOrigin + started;
        const error = aborted || status >= 500 ? String(status) : undefined;
        traces.record({ ...span, start, end: start + milliseconds, error }, traceparentOf(req));
      }
      const reads = !aborted && status < 400 && (method === 'GET' || method === 'HEAD');
      const kind = reads ? 'reads' : status >= 400 && status < 500 ? 'refusals' : 'others';
      const unlogged = this.#samplers[kind].take();
      if (unlogged === undefined) return;
      this.#log.info(
        {
          method,
          path: shortPath(path),
          status,
          ms: Math.round(milliseconds * 10) / 10,
          bytesIn,
          bytesOut,
          remote,
          user,
          requestId,
          ...(aborted && { aborted: true }),
          ...(unlogged > 0 && { unlogged }),
        },
        'request',
      );
    });
  }
}

function spanOf(
  request: Pick<EndedRequest, 'method' | 'path' | 'route' | 'status'> & { readonly requestId: string },
) {
  const { method, path, requestId, route, status } = request;
  return {
    name: `${method} ${route}`,
    kind: 'server',
    attributes: {
      'http.request.method': method,
      'http.route': route,
      'url.path': path,
      'http.response.status_code': status,
      'berth.request_id': requestId,
    },
  } as const;
}

function traceparentOf({ headers: { traceparent } }: IncomingMessage): string | undefined {
  return typeof traceparent === 'string' ? traceparent : undefined;
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** Seconds: from a cached answer to a layer of gigabytes. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Methods that are used as labels: clients can send any word. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** The counters of similar requests. */
interface Series {
  readonly count: { value: number };
  readonly time: Observations;
}

/** Counts requests in `set`; call the returned function for each finished one. */
export function countRequests(set: MetricSet): (request: Omit<EndedRequest, 'path' | 'user'>) => void {
  const requests = set.counter({
    name: 'berth_http_requests_total',
    help: 'Requests that have ended, by method, route and status.',
  });
  const times = set.histogram(
    {
      name: 'berth_http_request_duration_seconds',
      help: 'Time from the headers of a request to the end of its answer, by method and route.',
    },
    SECONDS,
  );
  const received = set
    .counter({ name: 'berth_http_received_bytes_total', help: 'Bytes received, heads included.' })
    .with();
  const sent = set
    .counter({ name: 'berth_http_sent_bytes_total', help: 'Bytes sent, heads included.' })
    .with();
  // Node's parser accepts a fixed list of methods, so the number of keys is bounded.
  const byRoute = new Map<string, Map<string, Map<number, Series>>>();
  return ({ method: asked, route, status, seconds, bytesIn, bytesOut }) => {
    const byMethod = byRoute.getOrInsertComputed(route, () => new Map());
    const byStatus = byMethod.getOrInsertComputed(asked, () => new Map());
    const series = byStatus.getOrInsertComputed(status, () => {
      const method = METHODS.includes(asked) ? asked : 'other';
      return {
        count: requests.with({ method, route, status: String(status) }),
        time: times.with({ method, route }),
      };
    });
    series.count.value += 1;
    series.time.observe(seconds);
    received.value += bytesIn;
    sent.value += bytesOut;
  };
}
