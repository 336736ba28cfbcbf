import { settleDefaultBridge } from './default-bridge.ts';
import type { Network } from './network.ts';
import { membersOf, type NetworkContext } from './network-context.ts';

/**
 * The network as it can be used now, by its reference; the table of the packet filter is there then. The bridge of the network
 * `bridge` is settled while nobody is on it. Throws EngineError 'not-found'.
 */
export class NetworkPreparation {
  readonly #context: NetworkContext;
  #settling: Promise<unknown> | undefined;
  #look: Promise<void> | undefined;

  constructor(context: NetworkContext) {
    this.#context = context;
  }

  async prepare(ref: string): Promise<Network> {
    const { store, filter } = this.#context;
    const { id, predefined, name } = store.find(ref);
    if (predefined && name === 'bridge') await this.#settle(id);
    await filter.ensure();
    this.#look ??= this.#lookAtOthers();
    return store.find(id);
  }

  /** Once: the operator should not have to find out by connections that hang. */
  async #lookAtOthers(): Promise<void> {
    const { filter, log } = this.#context;
    const chains = await filter.overruledBy().catch(() => []);
    if (chains.length === 0) return;
    log.warn(
      { chains },
      'chains of the packet filter drop what passes this host: containers reach nothing beyond it',
    );
  }

  /** Once for each agent: from then on the bridge is there, and its name and subnet are the agent's. */
  #settle(id: string): Promise<unknown> {
    this.#settling ??= this.#settleNow(id).catch((error: unknown) => {
      this.#settling = undefined;
      throw error;
    });
    return this.#settling;
  }

  async #settleNow(id: string): Promise<void> {
    const { store, kernel } = this.#context;
    const network = store.find(id);
    if (membersOf(this.#context, id).length > 0) return;
    const others = store.all().filter((other) => other.id !== id);
    const settled = await settleDefaultBridge(kernel, network, others);
    if (settled !== network) await store.put(settled);
  }
}
