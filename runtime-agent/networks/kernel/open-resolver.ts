import type { Libc } from '../../../lib/linux/libc.ts';
import { listenOn } from '../../../lib/linux/network/listen-in-namespace.ts';
import { Nftables } from '../../../lib/linux/network/nftables.ts';
import { RESOLVER_ADDRESS } from '../plan/resolv-conf.ts';
import type { ResolverSockets } from './network-jobs.ts';

/**
 * Where the sockets really listen: port 53 stays free for a name server in the container. It is beyond the ports that
 * Linux picks by itself.
 */
const PORT = 61053;

const TABLE = 'ip berth_resolver';
const REDIRECT = `
add table ${TABLE}
add chain ${TABLE} output { type nat hook output priority -100; }
add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} udp dport 53 dnat to ${RESOLVER_ADDRESS}:${PORT}
add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} tcp dport 53 dnat to ${RESOLVER_ADDRESS}:${PORT}
`;

/** Opens the resolver of the namespace in which the thread is. */
export function openResolver(libc: Libc): ResolverSockets {
  const filter = new Nftables();
  try {
    // After a restart of the agent it is there, and to make it anew takes the kernel long.
    const { ok, error } = filter.run(`list table ${TABLE}`).ok
      ? { ok: true, error: '' }
      : filter.run(REDIRECT);
    if (!ok) throw new Error(`the container's resolver cannot be set up: ${error}`);
  } finally {
    filter.close();
  }
  const address = RESOLVER_ADDRESS.split('.').map(Number);
  const udp = listenOn(libc, 'udp', address, PORT);
  try {
    return { udp, tcp: listenOn(libc, 'tcp', address, PORT) };
  } catch (error) {
    libc.close(udp);
    throw error;
  }
}
