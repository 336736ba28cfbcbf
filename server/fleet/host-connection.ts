import { hash } from 'node:crypto';
import type { RawData, WebSocket } from 'ws';
import { decodeFrame } from '../../fleet/channel-frame.ts';
import type { HostFacts } from '../../fleet/host.ts';
import {
  type ChannelRequest,
  type HostMessage,
  MAX_CHANNELS,
  PING_INTERVAL,
  type RegistryMessage,
  TARGET_LIMIT,
} from '../../fleet/messages.ts';
import { HostInputError } from '../../fleet/read-host.ts';
import { readHostMessage } from '../../fleet/read-host-message.ts';
import type { AppReport } from '../../fleet/report.ts';
import type { HostTarget } from '../../fleet/target.ts';
import { RegistryError } from '../errors.ts';
import { HostChannel, isData } from './host-channel.ts';

/** Maximum messages of a host, including pings, in a burst and per second; each PIECE counts as one more. */
const BURST = 400;
const PER_SECOND = 20;
const PIECE = 16 * 1024;
/** Maximum apps whose reports wait to be stored. */
const MAX_WAITING = 2_000;
/** Maximum unread bytes beyond a target. */
const MAX_UNREAD = 8 * 1024 * 1024;

/** Maximum channels that one person may have open to a host. */
const MAX_CHANNELS_EACH = 16;

/** Close codes of a connection (RFC 6455, section 7.4; codes from 4000 are the fleet's). */
export const CLOSE_CODES = { restart: 1012, refused: 1008, replaced: 4001, removed: 4003 } as const;

/** The hub's side of a connection. Each method may be called again before its last call has ended. */
export interface ConnectionPort {
  /** Handles the host's `hello`. */
  greeted(connection: HostConnection, facts: HostFacts): Promise<void>;
  readTarget(host: string): Promise<HostTarget>;
  store(connection: HostConnection, reports: readonly AppReport[], gone: readonly string[]): Promise<void>;
  counted(direction: 'received' | 'sent', type: string): void;
  /** Handles that a message, or the database, failed. */
  failed(connection: HostConnection, error: unknown): void;
  ended(connection: HostConnection, code: number): void;
}

export interface ConnectionOptions {
  readonly host: { readonly id: string; readonly name: string };
  /** Known to the store, unique over all replicas. */
  readonly id: string;
  readonly address: string | undefined;
  readonly socket: WebSocket;
  readonly port: ConnectionPort;
}

/** The WebSocket of a host. Its messages are bounded in number, size and work, since the host may be hostile. */
export class HostConnection {
  readonly host: ConnectionOptions['host'];
  readonly id: string;
  readonly address: string | undefined;
  /** The reason for which the registry ends it. */
  ending: keyof typeof CLOSE_CODES | undefined;
  readonly #socket: WebSocket;
  readonly #port: ConnectionPort;
  #greeted = false;
  #heardAt = performance.now();
  #budget = BURST;
  /** Generation of the host's target, and a hash of each of its apps; undefined before the first. */
  #sent: { readonly generation: number; readonly apps: ReadonlyMap<string, string> } | undefined;
  #sync: 'idle' | 'running' | 'again' = 'idle';
  #wantsWhole = true;
  #waiting = new Map<string, AppReport | undefined>();
  #storing = false;
  readonly #channels = new Map<number, HostChannel>();
  /** Recently ended channels: frames that the host sent before it knew are not errors. */
  readonly #ended = new Map<number, HostChannel>();
  #lastChannel = 0;

  constructor({ host, id, address, socket, port }: ConnectionOptions) {
    this.host = host;
    this.id = id;
    this.address = address;
    this.#socket = socket;
    this.#port = port;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on('ping', (data) => {
      this.#hear();
      if (this.#take(data.length)) socket.pong(data);
      this.#limitUnread(0);
    });
    socket.on('pong', () => this.#hear());
    // The close event follows, with a code for the host's error.
    socket.on('error', (error) => port.failed(this, error));
    socket.once('close', (code) => {
      for (const channel of this.#channels.values()) {
        channel.abort(`the connection of the host ${host.name} has ended`);
      }
      port.ended(this, code);
    });
  }

  /** Generation that was sent to the host; undefined before the first. */
  get generation(): number | undefined {
    return this.#sent?.generation;
  }

  /** Apps of the target that was sent to the host. */
  get apps(): readonly string[] {
    return [...(this.#sent?.apps.keys() ?? [])];
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** Reports whether anything has arrived since `time`, of performance.now(). */
  heardSince(time: number): boolean {
    return this.#heardAt >= time;
  }

  /** Called every second. */
  refill(): void {
    this.#budget = Math.min(BURST, this.#budget + PER_SECOND);
  }

  ping(): void {
    if (this.isOpen) this.#socket.ping();
    this.#limitUnread(0);
  }

  /** Sends the changes of the target since the last time, or all of it. */
  sync(): void {
    if (!this.#greeted) return;
    if (this.#sync !== 'idle') {
      this.#sync = 'again';
      return;
    }
    this.#sync = 'running';
    void this.#syncUntilSame();
  }

  /** Opens a channel. Throws RegistryError when there are too many. */
  openChannel(request: ChannelRequest, by: string): HostChannel {
    const own = [...this.#channels.values()].filter((channel) => channel.by === by).length;
    if (own >= MAX_CHANNELS_EACH || this.#channels.size >= MAX_CHANNELS) {
      throw new RegistryError(
        'TOO_MANY_REQUESTS',
        `the host ${this.host.name} has too many logs and commands open: end some of them`,
      );
    }
    this.#lastChannel += 1;
    const channel = new HostChannel(this.#lastChannel, by, {
      sendFrame: (frame) => {
        if (this.isOpen) this.#socket.send(frame);
        this.#limitUnread(0);
      },
      forget: (ended) => this.#forget(ended),
    });
    this.#channels.set(channel.number, channel);
    this.#send({ type: 'open', channel: channel.number, request });
    return channel;
  }

  #forget(channel: HostChannel): void {
    this.#channels.delete(channel.number);
    this.#ended.set(channel.number, channel);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MAX_CHANNELS && oldest !== undefined) this.#ended.delete(oldest);
  }

  end(reason: keyof typeof CLOSE_CODES, text = ''): void {
    if (this.ending !== undefined) return;
    this.ending = reason;
    if (reason === 'replaced' || reason === 'removed') this.#send({ type: reason });
    this.#socket.close(CLOSE_CODES[reason], text);
  }

  /** Ends the connection of an unresponsive host. */
  terminate(): void {
    this.#socket.terminate();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#hear();
    const bytes = data as Buffer;
    if (isBinary) {
      this.#onFrame(bytes);
      return;
    }
    if (!this.#take(bytes.length) || this.ending !== undefined) return;
    try {
      const message = readHostMessage(bytes.toString('utf8'));
      this.#port.counted('received', message.type);
      this.#handle(message);
    } catch (error) {
      if (!(error instanceof HostInputError)) throw error;
      this.#port.failed(this, error);
      this.end('refused', error.message.slice(0, 100));
    }
  }

  /** Data and credit are bounded by the windows of their channels, all other frames by their number. */
  #onFrame(bytes: Buffer): void {
    const frame = decodeFrame(bytes);
    const channel = frame && (this.#channels.get(frame.channel) ?? this.#ended.get(frame.channel));
    if (frame === undefined || channel === undefined) {
      this.#take(bytes.length);
      return;
    }
    if (frame.kind !== 'credit' && !isData(frame) && !this.#take(bytes.length)) return;
    if (!channel.take(frame)) this.end('refused', 'a channel has sent more than it may');
  }

  #handle(message: HostMessage): void {
    if (message.type === 'hello') {
      if (this.#greeted) throw new HostInputError('hello is said once');
      this.#greeted = true;
      void this.#port.greeted(this, message.facts);
      return;
    }
    if (!this.#greeted) throw new HostInputError('hello comes first');
    if (message.type === 'resync') {
      this.#wantsWhole = true;
      this.sync();
      return;
    }
    for (const app of message.gone) this.#waiting.set(app, undefined);
    for (const report of message.reports) this.#waiting.set(report.app, report);
    if (this.#waiting.size > MAX_WAITING) throw new HostInputError('there are reports of too many apps');
    if (!this.#storing) void this.#storeWaiting();
  }

  async #storeWaiting(): Promise<void> {
    this.#storing = true;
    try {
      while (this.#waiting.size > 0) {
        const waiting = [...this.#waiting];
        this.#waiting = new Map();
        await this.#port.store(
          this,
          waiting.flatMap(([, report]) => report ?? []),
          waiting.flatMap(([app, report]) => (report === undefined ? app : [])),
        );
      }
    } catch (error) {
      this.#port.failed(this, error);
      // The host reports everything again after it reconnects.
      this.end('restart');
    } finally {
      this.#storing = false;
    }
  }

  async #syncUntilSame(): Promise<void> {
    try {
      do {
        this.#sync = 'running';
        const target = await this.#port.readTarget(this.host.id);
        this.#sendTarget(target);
      } while ((this.#sync as string) === 'again');
    } catch (error) {
      this.#port.failed(this, error);
    } finally {
      this.#sync = 'idle';
    }
  }

  #sendTarget(target: HostTarget): void {
    const { generation } = target;
    const apps = new Map(target.apps.map((app) => [app.app, hash('sha256', JSON.stringify(app), 'base64')]));
    const sent = this.#sent;
    if (this.#wantsWhole || sent === undefined) this.#send({ type: 'target', target });
    else if (sent.generation === generation) return;
    else {
      this.#send({
        type: 'change',
        from: sent.generation,
        generation,
        set: target.apps.filter(({ app }) => sent.apps.get(app) !== apps.get(app)),
        remove: [...sent.apps.keys()].filter((app) => !apps.has(app)),
      });
    }
    this.#wantsWhole = false;
    this.#sent = { generation, apps };
  }

  #send(message: RegistryMessage): void {
    const text = JSON.stringify(message);
    if (Buffer.byteLength(text) > TARGET_LIMIT) {
      throw new Error(`the target of the host ${this.host.name} has more than ${TARGET_LIMIT} bytes`);
    }
    this.#port.counted('sent', message.type);
    this.#socket.send(text);
    this.#limitUnread(text.length);
  }

  /** Ends the connection of a host that does not read: its unread data must not fill the memory. */
  #limitUnread(allowed: number): void {
    if (this.#socket.bufferedAmount > MAX_UNREAD + allowed) this.terminate();
  }

  #hear(): void {
    this.#heardAt = performance.now();
  }

  /** Counts a message of this many bytes; returns false, and ends the connection, when there are too many. */
  #take(bytes: number): boolean {
    if (this.#budget > 0) {
      this.#budget -= 1 + Math.floor(bytes / PIECE);
      return true;
    }
    this.end('refused', 'too many messages');
    return false;
  }
}

/** Milliseconds of silence after which a connection is cut, and the limit for `hello`. */
export const LONGEST_SILENCE = 3 * PING_INTERVAL;
