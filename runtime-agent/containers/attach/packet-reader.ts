import { ERRNO } from '../../../lib/linux/errno.ts';
import type { Libc } from '../../../lib/linux/libc.ts';
import type { OutputRun } from './attach-messages.ts';

const MSG_DONTWAIT = 0x40;
/** conmon's packets: one byte that names the stream, and up to 8 kB. */
const MAX_PACKET = 8193;
const SLAB = 64 * 1024;
const STDERR = 3;

export interface PacketsRead {
  readonly runs: readonly OutputRun[];
  /** Bytes in all runs. */
  readonly bytes: number;
  readonly ended: boolean;
}

/** Reads the packets that have arrived, at most about 64 kB of them, without waiting. */
export function readPackets(libc: Libc, fd: number): PacketsRead {
  // Each packet is read over the last byte of the one before, which is put back over the stream's mark: so that
  // payloads lie side by side without being copied.
  const slab = new Uint8Array(SLAB + MAX_PACKET);
  const runs: { stream: OutputRun['stream']; start: number; end: number }[] = [];
  let end = 1;
  let ended = false;
  while (end < SLAB) {
    const saved = slab[end - 1] as number;
    const length = Number(libc.recv(fd, slab.subarray(end - 1), MAX_PACKET, MSG_DONTWAIT));
    if (length < 0) {
      const errno = libc.errno();
      if (errno === ERRNO.EINTR) continue;
      ended = errno !== ERRNO.EAGAIN;
      break;
    }
    if (length === 0) {
      ended = true;
      break;
    }
    const stream = slab[end - 1] === STDERR ? 'stderr' : 'stdout';
    slab[end - 1] = saved;
    const last = runs.at(-1);
    if (last?.stream === stream) last.end = end + length - 1;
    else runs.push({ stream, start: end, end: end + length - 1 });
    end += length - 1;
  }
  // What little there is should not keep a whole slab alive.
  const bytes = end < SLAB / 4 ? slab.slice(0, end) : slab;
  return {
    runs: runs.map(({ stream, start, end: stop }) => ({ stream, data: bytes.subarray(start, stop) })),
    bytes: end - 1,
    ended,
  };
}
