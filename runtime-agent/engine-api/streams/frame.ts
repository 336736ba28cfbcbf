import type { OutputStream } from '../../containers/containers.ts';

const STREAM_NUMBER: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };

/**
 * One frame of a multiplexed stream (Engine API, ContainerAttach, "Stream format"): the stream's number, three
 * zeros, the length as 32 bits big-endian, and the bytes.
 */
export function frame(stream: OutputStream, data: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(8 + data.length);
  bytes.writeUInt32BE(STREAM_NUMBER[stream] << 24, 0);
  bytes.writeUInt32BE(data.length, 4);
  bytes.set(data, 8);
  return bytes;
}
