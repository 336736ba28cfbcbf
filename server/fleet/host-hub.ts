import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import type { HostFacts, ReportedHost } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { PING_INTERVAL } from '../../fleet/messages.ts';
import { HostInputError } from '../../fleet/read-host.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import { repeat } from '../background/repeat.ts';
import type { FleetSignals } from './fleet-signals.ts';
import { CLOSE_CODES, HostConnection, LONGEST_SILENCE } from './host-connection.ts';

const SECOND = 1_000;
const PINGS = PING_INTERVAL / SECOND;
/** Milliseconds that a host has to send hello. */
const GREETING_TIME = 15_000;

/** Codes of a connection whose host has answered that it was replaced: agents close without a code (RFC 6455, 7.1.5). */
const ANSWERS: ReadonlySet<number> = new Set([CLOSE_CODES.replaced, 1005]);

export interface HostHubOptions {
  readonly hosts: HostStore;
  readonly signals: FleetSignals;
  readonly audit: Pick<AuditCatalog, 'record'>;
  readonly log: Logger;
  /** Name of this process, in the names of its connections. */
  readonly replica: string;
}

/** Results of messages, for metrics. */
export interface MessageCount {
  readonly direction: 'received' | 'sent';
  readonly type: string;
}

/**
 * The connections of hosts to this process. Changes of targets by this process reach them at once, those of other
 * processes within a second. One timer serves all of them, and one statement records all heartbeats.
 */
export class HostHub {
  readonly #options: HostHubOptions;
  #count = 0;
  /** The last connection of each host that has not sent hello, with its time. */
  readonly #arriving = new Map<string, { readonly connection: HostConnection; readonly since: number }>();
  readonly #connections = new Map<string, HostConnection>();
  /** Connections that a newer one has replaced, whose other side may still respond. */
  readonly #replaced = new Map<HostConnection, HostConnection>();
  #tick = 0;
  #beatAt = performance.now();
  #closing = false;
  onMessage: (message: MessageCount) => void = () => {};

  constructor(options: HostHubOptions) {
    this.#options = options;
    options.signals.onTargets((hosts) => {
      for (const host of hosts) this.#connections.get(host)?.sync();
    });
  }

  /** Number of hosts that are connected to this process. */
  get size(): number {
    return this.#connections.size;
  }

  /** Returns the connection of a host to this process, by its ID. */
  find(host: string): HostConnection | undefined {
    return this.#connections.get(host);
  }

  /** Adds the WebSocket of a host that has authenticated. */
  add(host: Pick<ReportedHost, 'id' | 'name'>, socket: WebSocket, address: string | undefined): void {
    this.#count += 1;
    const connection = new HostConnection({
      host: { id: host.id, name: host.name },
      id: `${this.#options.replica}/${this.#count}`,
      address,
      socket,
      port: {
        greeted: (one, facts) => this.#greeted(one, facts),
        readTarget: (id) => this.#options.hosts.target(id),
        store: async (one, reports, gone) => {
          await this.#options.hosts.report(one.host.id, reports, gone, new Date());
          this.#options.signals.appsChanged([...reports.map(({ app }) => app), ...gone]);
        },
        counted: (direction, type) => this.onMessage({ direction, type }),
        failed: (one, error) => this.#failed(one, error),
        ended: (one, code) => void this.#ended(one, code),
      },
    });
    this.#arriving.get(host.id)?.connection.terminate();
    this.#arriving.set(host.id, { connection, since: performance.now() });
    if (this.#closing) connection.end('restart');
  }

  /** Ends the connection of a host that was removed. */
  remove(host: string): void {
    this.#connections.get(host)?.end('removed');
  }

  /** Serves the connections until `signal` aborts; resolves then. */
  async keep(signal: AbortSignal): Promise<void> {
    let isFailing = false;
    const turn = async () => {
      // After a failure all hosts are recorded at once: the database missed all heartbeats.
      if (isFailing) this.#tick = PINGS - 1;
      await this.#turn();
      isFailing = false;
    };
    await repeat(turn, { first: SECOND, every: SECOND }, signal, (error) => {
      if (!isFailing) this.#options.log.error({ err: error }, 'hosts could not be served');
      isFailing = true;
    });
  }

  /**
   * Ends all connections: their hosts connect to another process, or to the next one. Resolves when that is recorded.
   */
  async close(): Promise<void> {
    this.#closing = true;
    const connections = [...this.#connections.values()];
    for (const connection of connections) connection.end('restart');
    for (const { connection } of this.#arriving.values()) connection.end('restart');
    await Promise.all(connections.map((connection) => this.#disconnect(connection)));
  }

  async #turn(): Promise<void> {
    this.#tick = (this.#tick + 1) % PINGS;
    const now = performance.now();
    let slot = 0;
    for (const connection of this.#connections.values()) {
      connection.refill();
      if (slot === this.#tick) {
        if (connection.heardSince(now - LONGEST_SILENCE)) connection.ping();
        else connection.terminate();
      }
      slot = (slot + 1) % PINGS;
    }
    for (const { connection, since } of this.#arriving.values()) {
      if (now - since > GREETING_TIME) connection.terminate();
    }
    if (this.#tick === 0) await this.#beat(now);
    await this.#poll();
  }

  /** Finds targets that other processes have changed. */
  async #poll(): Promise<void> {
    const known = new Map<string, number>();
    for (const { host, generation } of this.#connections.values()) {
      if (generation !== undefined) known.set(host.id, generation);
    }
    for (const host of (await this.#options.hosts.newerTargets(known)).keys()) {
      this.#connections.get(host)?.sync();
    }
  }

  async #beat(now: number): Promise<void> {
    const heard = new Map<string, string>();
    for (const connection of this.#connections.values()) {
      if (connection.heardSince(this.#beatAt)) heard.set(connection.host.id, connection.id);
    }
    const { hosts } = this.#options;
    const replaced = await hosts.heard(heard, new Date());
    this.#beatAt = now;
    for (const host of replaced) {
      const connection = this.#connections.get(host);
      if (connection === undefined || connection.id !== heard.get(host)) continue;
      if ((await hosts.find(host)) === undefined) connection.end('removed');
      else this.#replace(connection);
    }
  }

  async #greeted(connection: HostConnection, facts: HostFacts): Promise<void> {
    const { hosts, signals } = this.#options;
    const { host, id } = connection;
    try {
      const recorded = await hosts.connect(host.id, id, facts, new Date());
      this.#forgetArriving(connection);
      if (recorded === undefined) {
        connection.end('removed');
        return;
      }
      if (!connection.isOpen) {
        await this.#disconnect(connection);
        return;
      }
      const older = this.#connections.get(host.id);
      this.#connections.set(host.id, connection);
      if (older !== undefined) this.#replace(older, connection);
      connection.sync();
      signals.appsChanged((await hosts.find(host.id))?.reports.map(({ app }) => app) ?? []);
    } catch (error) {
      this.#failed(connection, error);
      connection.end('restart');
    }
  }

  /** Tells a machine that another one has its key, unless it is the same machine, which lost this connection. */
  #replace(older: HostConnection, newer?: HostConnection): void {
    if (newer === undefined) this.#connections.delete(older.host.id);
    this.#replaced.set(older, newer ?? older);
    older.end('replaced');
  }

  async #ended(connection: HostConnection, code: number): Promise<void> {
    this.#forgetArriving(connection);
    const newer = this.#replaced.get(connection);
    this.#replaced.delete(connection);
    // A machine that responds is alive: a lost connection ends without a response.
    if (newer !== undefined && ANSWERS.has(code)) await this.#recordTwins(connection, newer);
    if (this.#connections.get(connection.host.id) !== connection) return;
    this.#connections.delete(connection.host.id);
    if (!this.#closing) await this.#disconnect(connection);
    this.#options.signals.appsChanged(connection.apps);
  }

  #forgetArriving(connection: HostConnection): void {
    const { id } = connection.host;
    if (this.#arriving.get(id)?.connection === connection) this.#arriving.delete(id);
  }

  async #disconnect({ host, id }: HostConnection): Promise<void> {
    try {
      await this.#options.hosts.disconnect(host.id, id, new Date());
    } catch (error) {
      this.#options.log.error(
        { err: error, host: host.name },
        'the end of a connection could not be recorded',
      );
    }
  }

  async #recordTwins(older: HostConnection, newer: HostConnection): Promise<void> {
    const from = newer === older || newer.address === undefined ? '' : ` from ${newer.address}`;
    const detail = `two machines have the key of the host ${older.host.name}: another one connected${from}, and this one was told to stop`;
    this.#options.log.warn({ host: older.host.name }, detail);
    try {
      await this.#options.audit.record([
        {
          at: new Date(),
          who: `host:${older.host.name}`,
          ...(older.address !== undefined && { address: older.address }),
          action: 'login',
          outcome: 'denied',
          detail,
          count: 1,
        },
      ]);
    } catch (error) {
      this.#options.log.error({ err: error }, 'the audit could not be written');
    }
  }

  #failed({ host }: HostConnection, error: unknown): void {
    const { log } = this.#options;
    if (error instanceof HostInputError)
      log.warn({ host: host.name, reason: error.message }, 'a host was refused');
    else if (isOfSocket(error)) log.info({ host: host.name, err: error }, 'the connection of a host failed');
    else log.error({ err: error, host: host.name }, 'a host could not be served');
  }
}

/** Reports whether an error is one of the network, or of ws for data that is not WebSocket. */
function isOfSocket(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return code.startsWith('WS_ERR_') || code.startsWith('E');
}
