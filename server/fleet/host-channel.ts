import { type ChannelFrame, creditOf, encodeCredit, encodeFrame } from '../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, type ChannelKind } from '../../fleet/messages.ts';

/** Kinds of frames that need credit. */
const DATA: readonly ChannelKind[] = ['stdin', 'stdout', 'stderr', 'data'];

/** Reports whether the bytes of a frame count against the window. */
export function isData({ kind }: Pick<ChannelFrame, 'kind'>): boolean {
  return DATA.includes(kind);
}

/** What one side of a channel may send until the other side allows more: never more than CHANNEL_WINDOW. */
export class ChannelWindow {
  #left = CHANNEL_WINDOW;

  /** False when the side may not send so much. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /** False when more would be allowed than was sent. */
  give(bytes: number): boolean {
    if (bytes === 0 || this.#left + bytes > CHANNEL_WINDOW) return false;
    this.#left += bytes;
    return true;
  }
}

/** A frame of the host, whatever number the channel has there. */
export type HostFrame = Pick<ChannelFrame, 'kind' | 'payload'>;

/** The part of a host's connection that a channel needs. */
export interface ChannelTransport {
  /** Sends a binary frame. */
  sendFrame(frame: Buffer): void;
  forget(channel: HostChannel): void;
}

/**
 * A channel to a host. Its user allows the host more data by `allow`, once the bytes have gone on: until then they are at
 * most CHANNEL_WINDOW.
 */
export class HostChannel {
  readonly number: number;
  /** Who opened it. */
  readonly by: string;
  readonly #transport: ChannelTransport;
  /** What the host may send, and what may be sent to it. */
  readonly #down = new ChannelWindow();
  readonly #up = new ChannelWindow();
  #open = true;
  #use: ((frame: HostFrame) => void) | undefined;
  /** What came before anybody received it: at most the window of data, and the end. */
  readonly #early: HostFrame[] = [];

  constructor(number: number, by: string, transport: ChannelTransport) {
    this.number = number;
    this.by = by;
    this.#transport = transport;
  }

  /**
   * Hands over the frames of the host in order, those that came before too: at last one of `close`, unless `close` was
   * called here.
   */
  receive(use: (frame: HostFrame) => void): void {
    this.#use = use;
    for (const frame of this.#early.splice(0)) use(frame);
  }

  /** Allows the host to send so many bytes more; false when that is more than it has sent. */
  allow(bytes: number): boolean {
    if (!this.#down.give(bytes)) return false;
    if (this.#open) this.#transport.sendFrame(encodeCredit(this.number, bytes));
    return true;
  }

  /** False when the host has not allowed so much data. */
  send(kind: ChannelKind, payload: Buffer): boolean {
    if (isData({ kind }) && !this.#up.take(payload.length)) return false;
    if (this.#open) this.#transport.sendFrame(encodeFrame(this.number, kind, payload));
    return true;
  }

  close(): void {
    if (!this.#open) return;
    this.#transport.sendFrame(encodeFrame(this.number, 'close'));
    this.#end();
  }

  /** Takes a frame of the host; false when the host does not keep to the windows. */
  take(frame: ChannelFrame): boolean {
    if (frame.kind === 'credit' && !this.#up.give(creditOf(frame) ?? 0)) return false;
    if (isData(frame) && (frame.payload.length === 0 || !this.#down.take(frame.payload.length))) return false;
    // The host had sent it before it heard of the end.
    if (!this.#open) return true;
    if (frame.kind === 'close') this.#end();
    this.#hand(frame);
    return true;
  }

  /** The connection of the host has ended. */
  abort(sentence: string): void {
    if (!this.#open) return;
    this.#end();
    this.#hand({ kind: 'error', payload: Buffer.from(sentence) });
    this.#hand({ kind: 'close', payload: Buffer.alloc(0) });
  }

  #hand(frame: HostFrame): void {
    if (this.#use === undefined) this.#early.push(frame);
    else this.#use(frame);
  }

  #end(): void {
    this.#open = false;
    this.#transport.forget(this);
  }
}
