import { readFileSync } from 'node:fs';
import type { Network } from './network.ts';

/**
 * Whether the bridge of one of these networks is on the host: a sign that an agent has been at work here since the host was
 * started, which costs nothing to look for.
 */
export function hasBridges(networks: readonly Network[]): boolean {
  const interfaces = readFileSync('/proc/self/net/dev', 'latin1');
  return networks.some(
    ({ driver, bridge }) =>
      driver === 'bridge' && new RegExp(`^ *${RegExp.escape(bridge)}:`, 'm').test(interfaces),
  );
}
