import { isDeepStrictEqual } from 'node:util';
import type { NetworkKernel } from './kernel/kernel.ts';
import type { Network } from './network.ts';
import {
  droppingChains,
  elementCommand,
  type FilterElement,
  filterElements,
  type PortTarget,
  planForwarding,
  ruleset,
} from './plan/ruleset.ts';

/** Elements of the table by the command that adds them. */
type Elements = ReadonlyMap<string, FilterElement>;

/**
 * The agent's own table in the host's packet filter. Its content follows from the networks whose bridges the kernel
 * has, and from the published ports; each change updates the kernel accordingly, one after the other.
 */
export class PacketFilter {
  readonly #kernel: NetworkKernel;
  readonly #table: string;
  readonly #present: () => Promise<readonly Network[]>;
  /** By container. */
  readonly #ports = new Map<string, readonly PortTarget[]>();
  /** The elements that the table should have, for the networks at that time; undefined after a change of the ports. */
  #plan: { readonly networks: readonly Network[]; readonly elements: Elements } | undefined;
  /** The kernel's elements, by the command that adds them; undefined if the state of the table is unknown. */
  #held: Elements | undefined;
  /** The kernel's listing of the table without elements. */
  #listing = '';
  /** The generation of the filter after this agent's last change; undefined if another program also changed it. */
  #generation: number | undefined;
  /** The networks for which the host forwards. */
  #forwarded: readonly Network[] = [];
  #last: Promise<unknown> = Promise.resolve();

  /** `table` belongs to this agent alone; `present` returns the networks whose bridges exist in the kernel. */
  constructor(kernel: NetworkKernel, table: string, present: () => Promise<readonly Network[]>) {
    this.#kernel = kernel;
    this.#table = table;
    this.#present = present;
  }

  /** Whether the table exists, as far as this agent knows. */
  get isMade(): boolean {
    return this.#held !== undefined;
  }

  /** Makes ports lead to a container, replacing their earlier targets. */
  async setPorts(container: string, ports: readonly PortTarget[]): Promise<void> {
    this.adoptPorts(container, ports);
    if (this.isMade) await this.settle();
  }

  /** Records a container's port targets from before this agent; the next change adds them to the table. */
  adoptPorts(container: string, ports: readonly PortTarget[]): void {
    if (ports.length > 0) this.#ports.set(container, ports);
    else this.#ports.delete(container);
    this.#plan = undefined;
  }

  /** Returns foreign chains that drop packets which this table accepts, such as `ip filter FORWARD`. */
  async overruledBy(): Promise<readonly string[]> {
    const { output } = await this.#kernel.run('filter', { commands: 'list chains' });
    return droppingChains(output);
  }

  /** Removes the table, and forwarding for these networks, whose bridges are gone. */
  async remove(networks: readonly Network[]): Promise<void> {
    await this.#inTurn(async () => {
      const table = `inet ${this.#table}`;
      await this.#kernel.run('forward', planForwarding([], networks));
      await this.#kernel.run('filter', { commands: `add table ${table}\ndelete table ${table}\n` });
      this.#held = undefined;
    });
  }

  /**
   * Updates the kernel's table; returns whether another program had changed it. When it resolves, the table covers all
   * bridges that existed before the call: containers may start on them.
   */
  settle(): Promise<boolean> {
    return this.#inTurn(async () => {
      const wasMade = this.isMade;
      const generation = await this.#kernel.run('filter-generation', {});
      const isSame = generation === this.#generation;
      const isWhole = wasMade && (isSame || (await this.#isWhole(generation)));
      const networks = await this.#present();
      const wanted = this.#wanted(networks);
      const changed = isWhole && (this.#held === wanted || (await this.#run(this.#changes(wanted))));
      if (changed) this.#held = wanted;
      else await this.#make(wanted);
      if (!isSame || !isDeepStrictEqual(networks, this.#forwarded)) await this.#forward(networks);
      return wasMade && !changed;
    });
  }

  /** Sets forwarding after the table, which isolates containers as soon as packets are forwarded. */
  async #forward(networks: readonly Network[]): Promise<void> {
    const { generation } = await this.#kernel.run('forward', planForwarding(networks, this.#forwarded));
    this.#forwarded = networks;
    if (generation !== this.#generation) this.#generation = undefined;
  }

  #wanted(networks: readonly Network[]): Elements {
    if (this.#plan !== undefined && isDeepStrictEqual(networks, this.#plan.networks))
      return this.#plan.elements;
    const planned = filterElements(networks, [...this.#ports.values()].flat());
    const elements = new Map(
      planned.map((element) => [elementCommand('add', this.#table, element), element] as const),
    );
    this.#plan = { networks, elements };
    return elements;
  }

  /** Reports whether the kernel still has this agent's table unchanged after another program changed some table. */
  async #isWhole(generation: number): Promise<boolean> {
    const { ok, output } = await this.#kernel.run('filter', { commands: this.#list() });
    if (!ok || output !== this.#listing) return false;
    this.#generation = generation;
    // The listing omits elements. Adding existing elements changes nothing.
    return await this.#run([...(this.#held?.keys() ?? [])]);
  }

  /** Returns the changes, deletions first: a port with a new target has the same key. */
  #changes(wanted: Elements): readonly string[] {
    const held = this.#held ?? new Map<string, FilterElement>();
    return [
      ...[...held].flatMap(([command, element]) =>
        wanted.has(command) ? [] : [elementCommand('delete', this.#table, element)],
      ),
      ...[...wanted.keys()].filter((command) => !held.has(command)),
    ];
  }

  async #make(wanted: Elements): Promise<void> {
    this.#held = undefined;
    const commands = ruleset(this.#table, [...wanted.values()]);
    const made = await this.#kernel.run('filter', { commands });
    if (!made.ok) throw new Error(`the packet filter cannot be set up: ${made.error}`);
    const listed = await this.#kernel.run('filter', { commands: this.#list() });
    this.#listing = listed.output;
    this.#generation = made.alone ? made.generation : undefined;
    this.#held = wanted;
  }

  async #run(commands: readonly string[]): Promise<boolean> {
    if (commands.length === 0) return true;
    const { ok, alone, generation } = await this.#kernel.run('filter', {
      commands: `${commands.join('\n')}\n`,
    });
    this.#generation = alone ? generation : undefined;
    return ok;
  }

  #list(): string {
    return `list table inet ${this.#table}`;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine;
    return mine;
  }
}
