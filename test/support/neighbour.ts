import { randomBytes } from 'node:crypto';
import { type CleanupScope, defer } from './cleanup.ts';
import { runCommand } from './run-command.ts';

/** An attacker's host in the local network of this one. */
export interface Neighbour {
  /** Of this host, in that network. */
  readonly host4: string;
  readonly host6: string;
  /** Its own addresses. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** What runs a program there: before its name. */
  readonly enter: readonly string[];
  ip(...args: readonly string[]): Promise<void>;
}

/**
 * Makes a network namespace with a cable to this one, in the network 10.`number`.0.0/24 and fd00:10:`number`::/64. Its
 * default route, also for 127.0.0.1, is this host. The test is in a namespace of its own. Needs root.
 */
export async function makeNeighbour(scope: CleanupScope, number: number): Promise<Neighbour> {
  const name = `berth-test-${randomBytes(4).toString('hex')}`;
  const host4 = `10.${number}.0.1`;
  const host6 = `fd00:10:${number}::1`;
  const ipv4 = `10.${number}.0.2`;
  const ipv6 = `fd00:10:${number}::2`;
  const here = async (...args: readonly string[]) => void (await runCommand('ip', args));
  const ip = (...args: readonly string[]) => here('-n', name, ...args);
  await here('netns', 'add', name);
  defer(scope, () => here('netns', 'delete', name));
  const cable = `lan${number}`;
  await here('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  await here('addr', 'add', `${host4}/24`, 'dev', cable);
  await here('addr', 'add', `${host6}/64`, 'dev', cable, 'nodad');
  await here('link', 'set', cable, 'up');
  await ip('addr', 'add', `${ipv4}/24`, 'dev', 'eth0');
  await ip('addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
  await ip('link', 'set', 'eth0', 'up');
  await ip('route', 'add', 'default', 'via', host4);
  await ip('-6', 'route', 'add', 'default', 'via', host6);
  // Its loopback is down, and 127.0.0.1 is somewhere else for it.
  const enter = ['nsenter', `--net=/run/netns/${name}`];
  await runCommand('nsenter', [
    ...enter.slice(1),
    'sh',
    '-c',
    'for i in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$i/route_localnet; echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done',
  ]);
  await ip('route', 'add', '127.0.0.1/32', 'via', host4, 'dev', 'eth0');
  return { host4, host6, ipv4, ipv6, enter, ip };
}
