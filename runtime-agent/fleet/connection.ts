import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type WebSocket from 'ws';
import type { HostFacts } from '../../fleet/host.ts';
import {
  type HostMessage,
  PING_INTERVAL,
  PROTOCOL,
  type RegistryMessage,
  TARGET_LIMIT,
} from '../../fleet/messages.ts';
import type { AppTarget, HostTarget } from '../../fleet/target.ts';
import { requestIdHint } from '../../lib/http/request-id.ts';
import type { HttpExchange } from '../../oci/distribution/http-exchange.ts';
import type { Membership } from './membership.ts';
import { RegistryAnswerError, type RegistryApi } from './registry-api.ts';

/** Milliseconds before another attempt, at first and at most. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
/** Milliseconds between polls of the target without a WebSocket. */
const ASK_INTERVAL = 60_000;
/** Milliseconds without a new attempt after another connection has replaced this one. */
const REPLACED_PAUSE = 60_000;
/** Milliseconds without a new attempt after the registry has answered that there is no such host. */
const REMOVED_PAUSE = 10 * 60_000;
const HANDSHAKE_TIMEOUT = 15_000;

export type ReportMessage = HostMessage & { readonly type: 'report' };

/** The owner of the connection. */
export interface ConnectionOwner {
  readonly facts: HostFacts;
  /** Generation of the stored target. */
  generation(): number;
  /** Stores the target; resolves when it is durable. */
  takeTarget(target: HostTarget): Promise<void>;
  takeChange(generation: number, set: readonly AppTarget[], remove: readonly string[]): Promise<void>;
  /** Returns all reports, for a registry that may know nothing. */
  allReports(): ReportMessage;
  /** Handles a new connection: messages and frames go to `peer` until its end. */
  connected(peer: Peer): void;
  disconnected(): void;
  /** Handles a message that opens a channel. */
  open(message: RegistryMessage & { readonly type: 'open' }): void;
  frame(data: Buffer): void;
}

/** The registry while it is connected. */
export interface Peer {
  report(message: ReportMessage): void;
  frame(data: Uint8Array): void;
  /** Number of bytes that wait to be sent. */
  readonly waiting: number;
}

type Ending = 'replaced' | 'removed' | 'lost';

/**
 * Maintains a connection to the registry: reconnects after 1 to 60 seconds, with jitter, and polls the target by HTTP
 * once a minute while there is none. Runs until `signal` aborts.
 */
export class Connection {
  readonly #api: RegistryApi;
  readonly #exchange: HttpExchange;
  readonly #membership: Membership;
  readonly #owner: ConnectionOwner;
  readonly #log: Logger;

  constructor(
    membership: Membership,
    api: RegistryApi,
    exchange: HttpExchange,
    owner: ConnectionOwner,
    log: Logger,
  ) {
    this.#membership = membership;
    this.#api = api;
    this.#exchange = exchange;
    this.#owner = owner;
    this.#log = log;
  }

  async run(signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE;
    let asked = Number.NEGATIVE_INFINITY;
    let lastFailure = '';
    while (!signal.aborted) {
      const began = performance.now();
      let wait: number;
      try {
        const ending = await this.#connect(signal);
        if (performance.now() - began > LONGEST_PAUSE) pause = FIRST_PAUSE;
        if (ending !== 'lost') this.#log.warn({ registry: this.#membership.url }, SENTENCES[ending]);
        wait = PAUSES[ending] ?? pause;
        lastFailure = '';
      } catch (err) {
        if (signal.aborted) return;
        const isRefused = err instanceof RegistryAnswerError && (err.status === 401 || err.status === 404);
        const isRemoved = isRefused && !this.#api.forgetToken();
        wait = isRemoved ? REMOVED_PAUSE : pause;
        const { message } = err as Error;
        if (message !== lastFailure)
          this.#log.warn(
            { registry: this.#membership.url, err },
            isRemoved
              ? 'the registry refuses this host; it will be asked again in minutes, and the instances keep running'
              : 'the registry of the fleet cannot be reached',
          );
        lastFailure = message;
        if (!isRemoved && performance.now() - asked >= ASK_INTERVAL) {
          asked = performance.now();
          await this.#ask(signal).catch(() => undefined);
        }
      }
      await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    }
  }

  /** The fallback: a proxy in between may let HTTP through, but no WebSocket. */
  async #ask(signal: AbortSignal): Promise<void> {
    const answer = await this.#api.target(this.#owner.generation(), signal);
    if (answer !== 'unchanged') await this.#owner.takeTarget(answer);
    await this.#api.report(this.#owner.allReports(), signal);
  }

  /** Resolves at the end of a connection. Rejects when there was none. */
  async #connect(signal: AbortSignal): Promise<Ending> {
    const token = await this.#api.token(signal);
    const { WebSocket: Client } = await import('ws');
    const { url, insecure } = this.#membership;
    const address = new URL('/api/v1/fleet/connect', url);
    const isSecure = address.protocol === 'https:';
    address.protocol = isSecure ? 'wss:' : 'ws:';
    const socket = new Client(address, PROTOCOL, {
      headers: { authorization: `Bearer ${token}`, 'user-agent': 'berth-agent' },
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      maxPayload: TARGET_LIMIT,
      perMessageDeflate: false,
      ...(isSecure && { agent: this.#exchange.secureAgent(new URL(url)), rejectUnauthorized: !insecure }),
    });
    const abort = () => socket.close(1001);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await opened(socket, signal);
      return await this.#serve(socket);
    } finally {
      signal.removeEventListener('abort', abort);
      socket.terminate();
    }
  }

  async #serve(socket: WebSocket): Promise<Ending> {
    const owner = this.#owner;
    const send = (message: HostMessage) => socket.send(JSON.stringify(message));
    let ending: Ending = 'lost';
    let dead: NodeJS.Timeout | undefined;
    const heard = () => {
      clearTimeout(dead);
      dead = setTimeout(() => socket.terminate(), 2 * PING_INTERVAL);
    };
    let queue = Promise.resolve();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.on('ping', heard);
    socket.on('message', (data: Buffer, isBinary) => {
      heard();
      if (isBinary) {
        owner.frame(data);
        return;
      }
      const message = JSON.parse(data.toString('utf8')) as RegistryMessage;
      if (message.type === 'replaced' || message.type === 'removed') {
        ending = message.type;
        socket.close();
      } else if (message.type === 'open') owner.open(message);
      else
        queue = queue
          .then(() => this.#take(message, send))
          .catch((err: unknown) => {
            this.#log.error({ err }, 'the target of this host cannot be stored');
            socket.terminate();
          });
    });
    heard();
    send({ type: 'hello', facts: owner.facts, generation: owner.generation() });
    send(owner.allReports());
    owner.connected({
      report: send,
      frame: (data) => socket.send(data),
      get waiting() {
        return socket.bufferedAmount;
      },
    });
    this.#log.info({ registry: this.#membership.url }, 'connected to the registry of the fleet');
    try {
      await closed;
      await queue;
    } finally {
      clearTimeout(dead);
      owner.disconnected();
    }
    return ending;
  }

  async #take(message: RegistryMessage, send: (message: HostMessage) => void): Promise<void> {
    if (message.type === 'target') await this.#owner.takeTarget(message.target);
    if (message.type !== 'change') return;
    const { from, generation, set, remove } = message;
    if (from === this.#owner.generation()) await this.#owner.takeChange(generation, set, remove);
    else send({ type: 'resync' });
  }
}

const SENTENCES = {
  replaced: 'another machine has connected with the identity of this host: it may be a copy of this one',
  removed: 'this host was removed from the registry; its instances keep running',
} as const;

const PAUSES: { readonly [E in Ending]?: number } = { replaced: REPLACED_PAUSE, removed: REMOVED_PAUSE };

/** Rejects with RegistryAnswerError when the registry refuses. */
async function opened(socket: WebSocket, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_, { statusCode = 0, headers }) => {
      const hint = requestIdHint(statusCode, headers);
      reject(
        new RegistryAnswerError(
          statusCode,
          `the registry answers ${statusCode} instead of a WebSocket${hint}`,
        ),
      );
      socket.terminate();
    });
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
