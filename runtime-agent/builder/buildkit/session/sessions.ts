import { EventEmitter, once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../../errors.ts';
import { ClientSession, type SessionHeaders } from './client-session.ts';

/** Milliseconds that a request waits for its session, as in BuildKit. */
const PATIENCE = 5_000;
/** Maximum ended sessions that are remembered. */
const KEPT = 64;

/** The open sessions, by the identifiers that their clients chose. */
export class Sessions {
  readonly #open = new Map<string, ClientSession>();
  readonly #changes = new EventEmitter<{ opened: [] }>();
  /** The most recently ended sessions; no request waits for them. */
  readonly #lost = new Set<string>();

  constructor() {
    // One for each build that waits for its session.
    this.#changes.setMaxListeners(0);
  }

  /** Keeps a session until its connection ends; an earlier one of the same identifier is cut. */
  add(headers: SessionHeaders, connection: Duplex): void {
    this.#open.get(headers.id)?.close();
    const session = new ClientSession(headers, connection);
    this.#open.set(headers.id, session);
    this.#lost.delete(headers.id);
    session.closed.addEventListener(
      'abort',
      () => {
        if (this.#open.get(headers.id) !== session) return;
        this.#open.delete(headers.id);
        this.#lose(headers.id);
      },
      { once: true },
    );
    this.#changes.emit('opened');
  }

  /**
   * Returns a session. Clients open the session and request the build concurrently, so this waits for a while. Throws
   * EngineError 'conflict' if there is none, or it has ended.
   */
  async get(id: string, signal: AbortSignal): Promise<ClientSession> {
    const patience = AbortSignal.timeout(PATIENCE);
    for (;;) {
      signal.throwIfAborted();
      const session = this.#open.get(id);
      if (session !== undefined) return session;
      if (patience.aborted || this.#lost.has(id)) {
        throw new EngineError('conflict', `no active session for ${id.slice(0, 80)}: its client has gone`);
      }
      const ended = AbortSignal.any([signal, patience]);
      await once(this.#changes, 'opened', { signal: ended }).catch((error: Error) => {
        if (!ended.aborted) throw error;
      });
    }
  }

  #lose(id: string): void {
    this.#lost.add(id);
    const [oldest] = this.#lost;
    if (this.#lost.size > KEPT && oldest !== undefined) this.#lost.delete(oldest);
    // Requests that wait for it check again.
    this.#changes.emit('opened');
  }

  close(): void {
    for (const session of this.#open.values()) session.close();
  }
}

/**
 * Reads the headers of `POST /session`; `raw` has repeated fields separately. Throws EngineError 'bad-request' when the
 * identifier is missing.
 */
export function readSessionHeaders(headers: IncomingHttpHeaders, raw: readonly string[]): SessionHeaders {
  const one = (name: string): string => {
    const value = headers[`x-docker-expose-session-${name}`];
    return typeof value === 'string' ? value : '';
  };
  const id = one('uuid');
  if (id === '') {
    throw new EngineError('bad-request', 'a session needs the header X-Docker-Expose-Session-Uuid');
  }
  const methods = raw.filter(
    (_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === 'x-docker-expose-session-grpc-method',
  );
  return {
    id,
    name: one('name'),
    sharedKey: one('sharedkey'),
    methods: new Set(methods.map((method) => method.toLowerCase())),
  };
}
