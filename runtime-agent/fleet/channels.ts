import {
  type ChannelFrame,
  creditOf,
  decodeFrame,
  encodeCredit,
  encodeFrame,
} from '../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, type ChannelKind, type ChannelRequest, MAX_CHANNELS } from '../../fleet/messages.ts';
import type { Channel, ChannelsDeps } from './channel.ts';
import { runExec } from './exec-channel.ts';
import { sendLogs } from './logs-channel.ts';

/** Maximum bytes of data in a frame. */
const PIECE = 64 * 1024;
/** Maximum bytes of the buffered frames of a channel whose command is starting; each frame counts extra. */
const MAX_EARLY = 4 * CHANNEL_WINDOW;
const EACH = 64;

/** Logs and exec of instances over one connection to the registry, concurrently. */
export class Channels {
  readonly #deps: ChannelsDeps;
  readonly #open = new Map<number, OpenChannel>();

  constructor(deps: ChannelsDeps) {
    this.#deps = deps;
  }

  open(id: number, request: ChannelRequest): void {
    if (this.#open.has(id)) return;
    const channel = new OpenChannel(id, this.#deps.send);
    if (this.#open.size >= MAX_CHANNELS) {
      channel.fail(`this host has ${MAX_CHANNELS} open channels: try again later`);
      return;
    }
    this.#open.set(id, channel);
    const serve = request.kind === 'logs' ? sendLogs : runExec;
    serve(this.#deps, request as never, channel)
      .then(
        () => channel.close(),
        (error: Error) => channel.fail(error.message),
      )
      .finally(() => this.#open.delete(id));
  }

  frame(data: Buffer): void {
    const frame = decodeFrame(data);
    if (frame !== undefined) this.#open.get(frame.channel)?.take(frame);
  }

  /** Closes all channels after the connection has ended. */
  close(): void {
    for (const channel of this.#open.values()) channel.abort();
    this.#open.clear();
  }
}

class OpenChannel implements Channel {
  readonly #id: number;
  readonly #send: (frame: Uint8Array) => void;
  readonly #ending = new AbortController();
  #credit = CHANNEL_WINDOW;
  #allowed = Promise.withResolvers<void>();
  /** Data is sent in the order of the calls. */
  #turn: Promise<void> = Promise.resolve();
  #receive: ((frame: ChannelFrame) => void) | undefined;
  /** Frames that arrived before `receive`: at most the window of data, and a few others. */
  readonly #early: ChannelFrame[] = [];
  #earlyBytes = 0;

  constructor(id: number, send: (frame: Uint8Array) => void) {
    this.#id = id;
    this.#send = send;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  data(kind: 'stdout' | 'stderr' | 'data', bytes: Uint8Array): Promise<void> {
    this.#turn = this.#turn.then(() => this.#sendPieces(kind, bytes));
    return this.#turn;
  }

  async #sendPieces(kind: ChannelKind, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      this.signal.throwIfAborted();
      if (this.#credit === 0) {
        this.#allowed = Promise.withResolvers();
        await this.#allowed.promise;
        continue;
      }
      const length = Math.min(bytes.length - at, this.#credit, PIECE);
      this.send(kind, bytes.subarray(at, at + length));
      this.#credit -= length;
      at += length;
    }
  }

  allow(bytes: number): void {
    if (bytes > 0 && !this.signal.aborted) this.#send(encodeCredit(this.#id, bytes));
  }

  send(kind: ChannelKind, payload?: Uint8Array): void {
    if (!this.signal.aborted) this.#send(encodeFrame(this.#id, kind, payload));
  }

  take(frame: ChannelFrame): void {
    if (frame.kind === 'credit') {
      const credit = creditOf(frame);
      if (credit === undefined) return;
      this.#credit = Math.min(this.#credit + credit, 2 ** 31);
      this.#allowed.resolve();
    } else if (frame.kind === 'close') this.abort();
    else if (this.#receive !== undefined) this.#receive(frame);
    else if (this.#earlyBytes < MAX_EARLY) {
      this.#earlyBytes += frame.payload.length + EACH;
      this.#early.push(frame);
    } else this.fail('there is too much input before the command has started');
  }

  receive(use: (frame: ChannelFrame) => void): void {
    this.#receive = use;
    for (const frame of this.#early.splice(0)) use(frame);
  }

  close(): void {
    this.send('close');
    this.abort();
  }

  fail(message: string): void {
    this.send('error', Buffer.from(message.slice(0, 1000)));
    this.close();
  }

  abort(): void {
    this.#ending.abort();
    this.#allowed.resolve();
  }
}
