import { readFileSync } from 'node:fs';
import { Nftables } from '../../../lib/linux/network/nftables.ts';
import type { ForwardingSpec } from '../plan/ruleset.ts';
import { readSysctl, writeSysctl } from './ensure-bridge.ts';

const FAMILIES = {
  4: { table: 'ip berth_forwarding', sysctl: 'ipv4/ip_forward' },
  6: { table: 'ip6 berth_forwarding', sysctl: 'ipv6/conf/all/forwarding' },
} as const;

type Family = keyof typeof FAMILIES;

/**
 * Makes the host forward packets from and to Berth's bridges. On a host that already forwards, it does nothing. On
 * another, the kernel's switch would make it a router between all of its networks, so a table drops packets that
 * neither come from nor go to such a bridge. All agents of the host share the table, whose presence shows that Berth
 * switched forwarding on: it is created before that, and the agent that removes the last bridge switches forwarding off
 * again. Works in the namespace of the thread.
 */
export class Forwarding {
  readonly #filter = new Nftables({ elements: true });
  /** Whether the table was seen; if another program removes it while forwarding is on, it is created again. */
  readonly #isOurs: Record<Family, boolean> = { 4: false, 6: false };

  settle({ bridges, gone }: ForwardingSpec): void {
    for (const family of [4, 6] as const) {
      const removed = gone.filter((name) => !bridges[family].includes(name));
      if (bridges[family].length > 0) this.#allow(family, bridges[family]);
      if (removed.length > 0) this.#release(family, removed);
    }
  }

  #allow(family: Family, bridges: readonly string[]): void {
    const { table, sysctl } = FAMILIES[family];
    const state = readSysctl(sysctl);
    if (state === undefined) return;
    if (!this.#exists(table)) {
      if (state !== '0' && !this.#isOurs[family]) return;
      this.#make(table);
    }
    this.#isOurs[family] = true;
    const { ok, error } = this.#filter.run(`add element ${table} bridges { ${quoted(bridges)} }`);
    if (!ok) throw new Error(`forwarding for the bridges of containers cannot be set up: ${error}`);
    writeSysctl(sysctl, '1');
  }

  #release(family: Family, bridges: readonly string[]): void {
    const { table, sysctl } = FAMILIES[family];
    if (!this.#exists(table)) return;
    const links = linkNames();
    const listed = this.#listed(table);
    // Bridges without a link belonged to a killed agent.
    const leaving = listed.filter((name) => bridges.includes(name) || !links.has(name));
    if (leaving.length > 0) this.#filter.run(`delete element ${table} bridges { ${quoted(leaving)} }`);
    if (leaving.length < listed.length) return;
    writeSysctl(sysctl, '0');
    this.#filter.run(`delete table ${table}`);
    this.#isOurs[family] = false;
  }

  #listed(table: string): readonly string[] {
    const { output } = this.#filter.run(`list set ${table} bridges`);
    return [...output.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
  }

  #exists(table: string): boolean {
    return this.#filter.run(`list table ${table}`).ok;
  }

  /** Another agent may create it concurrently, which is fine. */
  #make(table: string): void {
    const { ok, error } = this.#filter.run(
      [
        `create table ${table}`,
        `add set ${table} bridges { type ifname; }`,
        `add chain ${table} forward { type filter hook forward priority filter; policy accept; }`,
        `add rule ${table} forward iifname != @bridges oifname != @bridges drop`,
        '',
      ].join('\n'),
    );
    if (!ok && !this.#exists(table)) throw new Error(`forwarding cannot be limited to containers: ${error}`);
  }
}

/** Links of the thread's current namespace. */
function linkNames(): ReadonlySet<string> {
  const text = readFileSync('/proc/thread-self/net/dev', 'latin1');
  return new Set([...text.matchAll(/^ *([^:\s]+):/gm)].map(([, name = '']) => name));
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}
