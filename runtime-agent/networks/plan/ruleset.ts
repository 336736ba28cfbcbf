import type { Network, PublishedPort } from '../network.ts';
import { bridgeOptions } from './bridge-options.ts';

/** A published port and its container. */
export interface PortTarget extends PublishedPort {
  /** Address of the container, of the family of `hostIp`. */
  readonly address: string;
}

/** One element of a set or map of the table. */
export interface FilterElement {
  readonly set: string;
  readonly key: string;
  /** Value of a map element. */
  readonly value?: string;
}

/**
 * Returns the whole table in the language of nft(8), as one transaction that replaces the existing one. It is Berth's
 * own, of family inet, and affects no other table. Packets between networks, or from outside to a container, are
 * dropped unless a published port redirected them; each such port is one element of one map.
 */
export function ruleset(table: string, elements: readonly FilterElement[]): string {
  const t = `inet ${table}`;
  return [
    `add table ${t}`,
    `delete table ${t}`,
    `add table ${t}`,
    `add set ${t} bridges { type ifname; }`,
    `add set ${t} internal { type ifname; }`,
    `add set ${t} same { type ifname . ifname; }`,
    `add set ${t} subnets4 { type ipv4_addr; flags interval; }`,
    `add set ${t} subnets6 { type ipv6_addr; flags interval; }`,
    `add set ${t} masquerade4 { type ipv4_addr; flags interval; }`,
    `add set ${t} masquerade6 { type ipv6_addr; flags interval; }`,
    `add map ${t} ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add map ${t} ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }`,
    `add map ${t} chosen4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add map ${t} chosen6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }`,
    // Bridges route packets from and to the host's loopback for published ports. Neither a container nor a neighbour
    // may send such packets: the kernel drops them where they are routed, which is after a published port of 127.0.0.1
    // has redirected them to its container.
    `add chain ${t} guard { type filter hook prerouting priority raw; }`,
    `add rule ${t} guard iifname != "lo" ip saddr 127.0.0.0/8 drop`,
    `add rule ${t} guard iifname != "lo" ip daddr 127.0.0.0/8 drop`,
    `add rule ${t} guard iifname != "lo" ip6 saddr ::1 drop`,
    `add rule ${t} guard iifname != "lo" ip6 daddr ::1 drop`,
    `add chain ${t} to_ports`,
    `add rule ${t} to_ports dnat ip to ip daddr . meta l4proto . th dport map @chosen4`,
    `add rule ${t} to_ports dnat ip6 to ip6 daddr . meta l4proto . th dport map @chosen6`,
    `add rule ${t} to_ports meta nfproto ipv4 dnat ip to meta l4proto . th dport map @ports4`,
    `add rule ${t} to_ports meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @ports6`,
    `add chain ${t} prerouting { type nat hook prerouting priority dstnat; }`,
    `add rule ${t} prerouting meta l4proto { tcp, udp } fib daddr type local jump to_ports`,
    `add chain ${t} output { type nat hook output priority -100; }`,
    `add rule ${t} output ip6 daddr ::1 return`,
    `add rule ${t} output meta l4proto { tcp, udp } fib daddr type local jump to_ports`,
    `add chain ${t} postrouting { type nat hook postrouting priority srcnat; }`,
    `add rule ${t} postrouting ip saddr @masquerade4 oifname != @bridges masquerade`,
    `add rule ${t} postrouting ip6 saddr @masquerade6 oifname != @bridges masquerade`,
    // A container that reaches another by a published port must get the answer through the host.
    `add rule ${t} postrouting oifname @bridges ct status dnat ip saddr @subnets4 masquerade`,
    `add rule ${t} postrouting oifname @bridges ct status dnat ip6 saddr @subnets6 masquerade`,
    `add rule ${t} postrouting oifname @bridges ip saddr 127.0.0.0/8 masquerade`,
    `add chain ${t} forward { type filter hook forward priority filter; policy accept; }`,
    `add rule ${t} forward iifname . oifname @same accept`,
    `add rule ${t} forward iifname @internal drop`,
    `add rule ${t} forward oifname @internal drop`,
    `add rule ${t} forward ct state established,related accept`,
    `add rule ${t} forward oifname @bridges ct status dnat accept`,
    `add rule ${t} forward oifname @bridges drop`,
    ...elements.map((element) => elementCommand('add', table, element)),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * Returns the command for elements. Adding an existing element changes nothing; deleting a missing one fails the
 * transaction.
 */
export function elementCommand(
  action: 'add' | 'delete',
  table: string,
  { set, key, value }: FilterElement,
): string {
  const entry = action === 'add' && value !== undefined ? `${key} : ${value}` : key;
  return `${action} element inet ${table} ${set} { ${entry} }`;
}

/** Returns the elements of the table for networks with bridges, and for published ports. */
export function filterElements(
  networks: readonly Network[],
  ports: readonly PortTarget[],
): readonly FilterElement[] {
  return [...networks.flatMap(networkElements), ...ports.map(portElement)];
}

function networkElements(network: Network): readonly FilterElement[] {
  if (network.driver !== 'bridge') return [];
  const { icc, masquerade } = bridgeOptions(network.options);
  const name = `"${network.bridge}"`;
  return [
    { set: 'bridges', key: name },
    ...(network.internal ? [{ set: 'internal', key: name }] : []),
    ...(icc ? [{ set: 'same', key: `${name} . ${name}` }] : []),
    ...network.subnets.flatMap(({ subnet }) => {
      const family = subnet.includes(':') ? '6' : '4';
      return [
        { set: `subnets${family}`, key: subnet },
        ...(masquerade && !network.internal ? [{ set: `masquerade${family}`, key: subnet }] : []),
      ];
    }),
  ];
}

function portElement({ protocol, hostIp, hostPort, address, containerPort }: PortTarget): FilterElement {
  const family = hostIp.includes(':') ? '6' : '4';
  const everywhere = hostIp === '0.0.0.0' || hostIp === '::';
  return {
    set: `${everywhere ? 'ports' : 'chosen'}${family}`,
    key: `${everywhere ? '' : `${hostIp} . `}${protocol} . ${hostPort}`,
    value: `${address} . ${containerPort}`,
  };
}

/** Forwarding that an agent needs on the host. */
export interface ForwardingSpec {
  /** Names of the bridges that packets may pass; those with IPv6 separately. */
  readonly bridges: { readonly 4: readonly string[]; readonly 6: readonly string[] };
  /** Bridges that no longer need it. */
  readonly gone: readonly string[];
}

/** Plans forwarding for these networks, and its end for networks that are only in `before`. */
export function planForwarding(networks: readonly Network[], before: readonly Network[]): ForwardingSpec {
  const names = networks.map(({ bridge }) => bridge);
  return {
    bridges: {
      4: names,
      6: networks.filter(({ enableIpv6 }) => enableIpv6).map(({ bridge }) => bridge),
    },
    gone: before.map(({ bridge }) => bridge).filter((bridge) => !names.includes(bridge)),
  };
}

/**
 * Finds chains in the output of `nft list chains` that drop forwarded packets by default: an "accept" of one table does not
 * overrule a "drop" of another. Each as `ip filter FORWARD`.
 */
export function droppingChains(listing: string): readonly string[] {
  let table = '';
  let chain = '';
  const found: string[] = [];
  for (const line of listing.split('\n')) {
    const [, name] = /^table (.+) \{$/.exec(line) ?? [];
    if (name !== undefined) table = name;
    const [, inner] = /^\tchain (\S+) \{$/.exec(line) ?? [];
    if (inner !== undefined) chain = inner;
    if (/^\t\ttype filter hook forward .*policy drop;/.test(line) && !/^(bridge|arp|netdev) /.test(table)) {
      found.push(`${table} ${chain}`);
    }
  }
  return found;
}
