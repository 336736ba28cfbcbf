import { CHANNEL_KINDS, type ChannelKind } from './messages.ts';

/** A frame of a channel; `fleet/messages.ts` defines its payload. */
export interface ChannelFrame {
  readonly channel: number;
  readonly kind: ChannelKind;
  readonly payload: Buffer;
}

const HEAD = 5;
const KINDS = Object.keys(CHANNEL_KINDS) as ChannelKind[];

/** Encodes the binary frame of a channel; a text payload becomes UTF-8. */
export function encodeFrame(channel: number, kind: ChannelKind, payload: Uint8Array | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const frame = Buffer.allocUnsafe(HEAD + bytes.length);
  frame.writeUInt32BE(channel, 0);
  frame.writeUInt8(CHANNEL_KINDS[kind], 4);
  frame.set(bytes, HEAD);
  return frame;
}

/** Encodes a `credit` frame: the other side may send `bytes` more. */
export function encodeCredit(channel: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return encodeFrame(channel, 'credit', payload);
}

/**
 * Decodes a binary frame; its payload shares the memory of `bytes`. Returns undefined when it is too short or of an
 * unknown kind.
 */
export function decodeFrame(bytes: Buffer): ChannelFrame | undefined {
  if (bytes.length < HEAD) return undefined;
  const code = bytes.readUInt8(4);
  const kind = KINDS.find((name) => CHANNEL_KINDS[name] === code);
  return kind && { channel: bytes.readUInt32BE(0), kind, payload: bytes.subarray(HEAD) };
}

/** Returns the bytes that a `credit` frame grants; undefined when it is malformed. */
export function creditOf({ payload }: ChannelFrame): number | undefined {
  return payload.length === 4 ? payload.readUInt32BE(0) : undefined;
}
