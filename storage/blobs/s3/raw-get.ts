import { connect, type Socket } from 'node:net';
import type { BlobConnection } from '../blob-connections.ts';
import { isAnswerTo, type RangeRequest, rangeRequest } from './range-answer.ts';

/** Bytes: the head of an answer is smaller, and comes with the beginning of the body. */
const BUFFER_SIZE = 32 * 1024;

/**
 * GETs a part of an object (`http:`) over a connection of its own, of which no more is read than the head of the answer. Undefined
 * when no connection can be made, the answer does not come within `time` milliseconds or is anything but the bytes
 * that were asked for, as they are and with their length. Throws the signal's reason.
 */
export async function rawGet(
  request: RangeRequest,
  time: number,
  signal: AbortSignal | undefined,
): Promise<BlobConnection | undefined> {
  signal?.throwIfAborted();
  const { hostname, port } = new URL(request.url);
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  let filled = 0;
  const socket: Socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 80),
    onread: {
      buffer: () => buffer.subarray(filled),
      callback: (count) => {
        filled += count;
        const end = buffer.subarray(0, filled).indexOf('\r\n\r\n');
        if (end === -1 && filled < buffer.length) return true;
        resolve(end === -1 ? undefined : buffer.subarray(0, end + 4));
        // Node reads no more: the rest is for whoever has the descriptor.
        return false;
      },
    },
  });
  const giveUp = () => resolve(undefined);
  socket.setNoDelay(true).on('error', giveUp).on('close', giveUp);
  const late = setTimeout(giveUp, time);
  signal?.addEventListener('abort', giveUp, { once: true });
  socket.write(rangeRequest(request));
  const head = await promise;
  clearTimeout(late);
  signal?.removeEventListener('abort', giveUp);
  if (head === undefined || signal?.aborted || !isAnswerTo(request, head.toString('latin1'))) {
    socket.destroy();
    signal?.throwIfAborted();
    return undefined;
  }
  return { socket, begun: buffer.subarray(head.length, filled), close: () => socket.destroy() };
}
