import { readFileSync } from 'node:fs';
import type { Network } from './network.ts';

/**
 * Whether the bridge of one of these networks is on the host: a sign that an agent has been at work here since the host was
 * started, which costs nothing to look for.
 */
export function hasBridges(networks: readonly Network[]): boolean {
  const lines = readFileSync('/proc/self/net/dev', 'latin1').split('\n');
  const interfaces = new Set(lines.map((line) => line.slice(0, Math.max(0, line.indexOf(':'))).trim()));
  return networks.some(({ driver, bridge }) => driver === 'bridge' && interfaces.has(bridge));
}
