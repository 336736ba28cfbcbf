import type { Libc } from '../../lib/linux/libc.ts';

const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const TCP_NOTSENT_LOWAT = 25;

/** Bytes that wait in the system to be sent. A longer queue costs memory and processor time, and sends no faster. */
const UNSENT_BYTES = new Uint8Array(new Uint32Array([256 * 1024]).buffer);
/** Every Linux has it, and every process may use it. */
const UNPACED = Buffer.from('reno');

/**
 * Prepares a TCP socket for long answers. `local` says that the client is on this machine: then there is no network
 * to be careful with, and a congestion control that paces what it sends by timers, as BBR does, halves the speed and
 * doubles the cost. A system that refuses an option only sends more slowly.
 */
export function tuneSocket(libc: Libc, socket: number, local: boolean): void {
  libc.setOption(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  if (local) libc.setOption(socket, IPPROTO_TCP, TCP_CONGESTION, UNPACED);
}
