import type { ChannelFrame } from '../../fleet/channel-frame.ts';
import type { ChannelKind } from '../../fleet/messages.ts';
import type { FleetEngine } from './fleet-context.ts';
import type { FoundInstance } from './read-app.ts';

/** One channel as its server sees it. */
export interface Channel {
  /** Sends data within the other side's credit; resolves when it may send more. Rejects when the channel is closed. */
  data(kind: 'stdout' | 'stderr' | 'data', bytes: Uint8Array): Promise<void>;
  /** Allows the other side to send this many more bytes. */
  allow(bytes: number): void;
  send(kind: ChannelKind, payload?: Uint8Array): void;
  /** Passes on the other side's frames, except credit, in order, including earlier ones. */
  receive(use: (frame: ChannelFrame) => void): void;
  /** Aborted when the channel or the connection ends. */
  readonly signal: AbortSignal;
}

export interface ChannelsDeps {
  readonly engine: FleetEngine;
  readonly find: (app: string) => Promise<readonly FoundInstance[]>;
  readonly send: (frame: Uint8Array) => void;
}
