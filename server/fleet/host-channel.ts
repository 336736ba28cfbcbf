import { type ChannelFrame, creditOf, encodeCredit, encodeFrame } from '../../fleet/channel-frame.ts';
import { CHANNEL_WINDOW, type ChannelKind } from '../../fleet/messages.ts';

/** Kinds of frames that need credit. */
const DATA: readonly ChannelKind[] = ['stdin', 'stdout', 'stderr', 'data'];

/** Reports whether the bytes of a frame count against the window. */
export function isData({ kind }: Pick<ChannelFrame, 'kind'>): boolean {
  return DATA.includes(kind);
}

/** The bytes that one side of a channel may still send: never more than CHANNEL_WINDOW. */
export class ChannelWindow {
  #left = CHANNEL_WINDOW;

  /** Returns false if the side may not send that much. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /** Returns false if more would be allowed than was sent. */
  give(bytes: number): boolean {
    if (bytes === 0 || this.#left + bytes > CHANNEL_WINDOW) return false;
    this.#left += bytes;
    return true;
  }
}

/** A frame of the host, regardless of the channel's number there. */
export type HostFrame = Pick<ChannelFrame, 'kind' | 'payload'>;

/** The part of a host's connection that a channel uses. */
export interface ChannelTransport {
  /** Sends a binary frame. */
  sendFrame(frame: Buffer): void;
  forget(channel: HostChannel): void;
}

/**
 * A channel to a host. Its user grants the host credit by `allow` once it has forwarded the bytes: until then they are
 * at most CHANNEL_WINDOW.
 */
export class HostChannel {
  readonly number: number;
  /** Who opened it. */
  readonly by: string;
  readonly #transport: ChannelTransport;
  /** Credit of the host, and credit towards the host. */
  readonly #down = new ChannelWindow();
  readonly #up = new ChannelWindow();
  #open = true;
  #use: ((frame: HostFrame) => void) | undefined;
  /** Frames that arrived before `receive`: at most the window of data, and the end. */
  readonly #early: HostFrame[] = [];

  constructor(number: number, by: string, transport: ChannelTransport) {
    this.number = number;
    this.by = by;
    this.#transport = transport;
  }

  /**
   * Passes on the frames of the host in order, including earlier ones: the last is `close`, unless `close` was called
   * here.
   */
  receive(use: (frame: HostFrame) => void): void {
    this.#use = use;
    for (const frame of this.#early.splice(0)) use(frame);
  }

  /** Grants the host credit; returns false when that is more than it has sent. */
  allow(bytes: number): boolean {
    if (!this.#down.give(bytes)) return false;
    if (this.#open) this.#transport.sendFrame(encodeCredit(this.number, bytes));
    return true;
  }

  /** Returns false if the host has not allowed that much data. */
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

  /** Takes a frame of the host; returns false when the host exceeds the window. */
  take(frame: ChannelFrame): boolean {
    if (frame.kind === 'credit' && !this.#up.give(creditOf(frame) ?? 0)) return false;
    if (isData(frame) && (frame.payload.length === 0 || !this.#down.take(frame.payload.length))) return false;
    // The host sent it before it knew of the end.
    if (!this.#open) return true;
    if (frame.kind === 'close') this.#end();
    this.#hand(frame);
    return true;
  }

  /** Handles that the host's connection has ended. */
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
