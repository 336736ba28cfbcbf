import type { Libc } from './libc.ts';

export const POLLIN = 1;
export const POLLOUT = 4;
const EINTR = 4;

/** A descriptor to wait for, and the events. */
export interface Watched {
  readonly fd: number;
  readonly events: number;
}

/**
 * Waits until a descriptor is ready or `timeout` milliseconds have passed (no timeout by default). Returns for each
 * descriptor whether it is ready. Throws when poll(2) fails.
 */
export function waitForEvents(libc: Libc, watched: readonly Watched[], timeout?: number): readonly boolean[] {
  // struct pollfd: int fd, short events, short revents, in the machine's byte order (little-endian on both).
  const fds = new DataView(new ArrayBuffer(8 * watched.length));
  watched.forEach(({ fd, events }, index) => {
    fds.setInt32(index * 8, fd, true);
    fds.setInt16(index * 8 + 4, events, true);
  });
  while (libc.poll(new Uint8Array(fds.buffer), watched.length, timeout ?? -1) < 0) {
    if (libc.errno() !== EINTR) throw new Error(`poll(2) failed with error number ${libc.errno()}`);
  }
  return watched.map((_, index) => fds.getInt16(index * 8 + 6, true) !== 0);
}
