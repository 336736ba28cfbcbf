import type { NetworkKernel } from './kernel/kernel.ts';
import type { Network } from './network.ts';
import { droppingChains } from './plan/dropping-chains.ts';
import { type PortTarget, ruleset, rulesetChange } from './plan/ruleset.ts';

/** The agent's own table in the host's packet filter. It is made at the first use. */
export class PacketFilter {
  readonly #kernel: NetworkKernel;
  readonly #table: string;
  readonly #networks: () => readonly Network[];
  /** By container. */
  readonly #ports = new Map<string, readonly PortTarget[]>();
  #made: Promise<void> | undefined;
  #listing = '';

  /** `table` is this agent's alone. */
  constructor(kernel: NetworkKernel, table: string, networks: () => readonly Network[]) {
    this.#kernel = kernel;
    this.#table = table;
    this.#networks = networks;
  }

  /** Whether the table is there, as far as this agent knows. */
  get isMade(): boolean {
    return this.#made !== undefined;
  }

  /** The table with all networks and ports; made once. */
  ensure(): Promise<void> {
    this.#made ??= this.#make().catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  /** Makes the table again where somebody has removed or changed it; answers whether that was so. */
  async restore(): Promise<boolean> {
    if (this.#made === undefined) return false;
    await this.#made;
    const { ok, output } = await this.#kernel.run('filter', { commands: `list table inet ${this.#table}` });
    if (ok && output === this.#listing) return false;
    this.#made = undefined;
    await this.ensure();
    return true;
  }

  async addNetwork(network: Network): Promise<void> {
    if (this.#made === undefined) return;
    await this.#change('add', [network], []);
  }

  async removeNetwork(network: Network): Promise<void> {
    if (this.#made === undefined) return;
    await this.#change('delete', [network], []);
  }

  /** Leads a container's ports to it, in the place of where they led before. */
  async setPorts(container: string, ports: readonly PortTarget[]): Promise<void> {
    const before = this.#ports.get(container) ?? [];
    if (ports.length === 0) this.#ports.delete(container);
    else this.#ports.set(container, ports);
    if (this.#made === undefined || before.length + ports.length === 0) return;
    await this.#made;
    const commands =
      rulesetChange('delete', this.#table, [], before) + rulesetChange('add', this.#table, [], ports);
    await this.#run(commands);
  }

  /** Notes where a container's ports lead since before this agent; the table gets them when it is made. */
  adoptPorts(container: string, ports: readonly PortTarget[]): void {
    if (ports.length > 0) this.#ports.set(container, ports);
  }

  /** Chains of others that drop what this one accepts, such as `ip filter FORWARD`. */
  async overruledBy(): Promise<readonly string[]> {
    const { output } = await this.#kernel.run('filter', { commands: 'list chains' });
    return droppingChains(output);
  }

  /** Removes the table. */
  async remove(): Promise<void> {
    const table = `inet ${this.#table}`;
    await this.#kernel.run('filter', { commands: `add table ${table}\ndelete table ${table}\n` });
    this.#made = undefined;
  }

  async #make(): Promise<void> {
    const ports = [...this.#ports.values()].flat();
    const made = this.#kernel.run('filter', { commands: ruleset(this.#table, this.#networks(), ports) });
    const listed = this.#kernel.run('filter', { commands: `list table inet ${this.#table}` });
    const { ok, error } = await made;
    if (!ok) throw new Error(`the packet filter cannot be set up: ${error}`);
    this.#listing = (await listed).output;
  }

  async #change(
    action: 'add' | 'delete',
    networks: readonly Network[],
    ports: readonly PortTarget[],
  ): Promise<void> {
    await this.#made;
    await this.#run(rulesetChange(action, this.#table, networks, ports));
  }

  /** Where the change does not fit, somebody has been at the table: all of it is made again. */
  async #run(commands: string): Promise<void> {
    const { ok } = await this.#kernel.run('filter', { commands });
    if (ok) return;
    this.#made = undefined;
    await this.ensure();
  }
}
