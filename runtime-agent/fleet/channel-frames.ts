import { CHANNEL_KINDS, type ChannelKind } from '../../fleet/messages.ts';

export interface ChannelFrame {
  readonly channel: number;
  readonly kind: ChannelKind;
  readonly payload: Buffer;
}

const HEADER = 5;
const NAMES = new Map(
  Object.entries(CHANNEL_KINDS).map(([name, code]) => [code as number, name as ChannelKind]),
);

export function encodeFrame(
  channel: number,
  kind: ChannelKind,
  payload: Uint8Array = new Uint8Array(),
): Buffer {
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame.writeUInt32BE(channel, 0);
  frame.writeUInt8(CHANNEL_KINDS[kind], 4);
  frame.set(payload, HEADER);
  return frame;
}

/** Undefined for a frame of an unknown kind, or too short to be one. */
export function decodeFrame(data: Buffer): ChannelFrame | undefined {
  if (data.length < HEADER) return undefined;
  const kind = NAMES.get(data.readUInt8(4));
  return kind && { channel: data.readUInt32BE(0), kind, payload: data.subarray(HEADER) };
}

export function encodeCredit(bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(bytes);
  return payload;
}
