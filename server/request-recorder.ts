import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type Identity, nameOf } from '../auth/access/identity.ts';
import { requestOrigin } from './http/forwarded.ts';
import type { TrustedProxies } from './http/trusted-proxies.ts';
import type { LogSampler } from './log-sampler.ts';
import { shortPath } from './shorten.ts';

/** What is known of a request when it has ended. */
export interface EndedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Who asked; undefined when nobody was logged in. */
  readonly user: string | undefined;
  /** The pattern of the route that answered, or `none`. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** On the connection, heads included. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What only the one who handles a request knows about it. */
export interface RequestNotes {
  readonly route: string;
  readonly identity: Identity;
  /** Bytes of the answer that went out past Node. */
  readonly sentPastNode: number;
  /** Bytes of the request that came in so. */
  readonly receivedPastNode: number;
}

/** Which of many alike requests are logged, by what became of them. */
export interface RequestSamplers {
  /** GET and HEAD that succeeded. */
  readonly reads: LogSampler;
  /** Refusals (4xx), which need no login. */
  readonly refusals: LogSampler;
  readonly others: LogSampler;
}

/** Follows requests to their end, then counts and logs them: neither query nor headers, which may hold secrets. */
export class RequestRecorder {
  readonly #log: Logger;
  readonly #samplers: RequestSamplers;
  readonly #proxies: TrustedProxies;
  readonly #count: (request: EndedRequest, socket: Socket) => void;
  // By the time that a request is seen its headers have been read: what counts is where the last one ended.
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
  follow(req: IncomingMessage, res: ServerResponse, notes: () => RequestNotes): void {
    const { socket } = req;
    const method = req.method ?? '';
    const started = performance.now();
    const written = socket.bytesWritten;
    const { remote } = requestOrigin(req, this.#proxies);
    res.once('close', () => {
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
          ...(aborted && { aborted: true }),
          ...(unlogged > 0 && { unlogged }),
        },
        'request',
      );
    });
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
