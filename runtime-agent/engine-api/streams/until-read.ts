import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasUnreadOutput } from '../../../lib/linux/unread-output.ts';
import { handleDescriptor } from '../../../lib/streams/handle-descriptor.ts';

/** Milliseconds between two looks, at most. */
const LONGEST_PAUSE = 50;

/**
 * Resolves when the client has read all that was written to a Unix socket, or `signal` is aborted. docker-py reads the head of
 * an answer through a buffer, and loses output that it reads with it; dockerd is slower to send output.
 */
export async function untilRead(socket: Writable, signal: AbortSignal): Promise<void> {
  for (let pause = 1; !signal.aborted && isUnread(socket); pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    await sleep(pause);
  }
}

function isUnread(socket: Writable): boolean {
  const fd = handleDescriptor(socket);
  return fd !== undefined && (socket.writableLength > 0 || hasUnreadOutput(fd));
}
