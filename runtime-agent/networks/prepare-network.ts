import { KeyedLock } from '../../lib/sync/keyed-lock.ts';
import type { Network } from './network.ts';
import { membersOf, type NetworkContext } from './network-context.ts';
import { bridgeSpec } from './plan/place-container.ts';
import { settleBridge } from './settle-bridge.ts';

/**
 * Brings a network to where containers may start in it: its bridge is there, and then the packet filter holds for it. While nobody is
 * on the network, its bridge is settled before: another agent may have the name or the subnet by now.
 */
export class NetworkPreparation {
  readonly #context: NetworkContext;
  readonly #settling = new KeyedLock();
  #look: Promise<void> | undefined;

  constructor(context: NetworkContext) {
    this.#context = context;
  }

  /** Answers the network, by its reference, as it is then. Throws EngineError 'not-found'. */
  async prepare(ref: string): Promise<Network> {
    const { store, filter } = this.#context;
    const { id, driver } = store.find(ref);
    if (driver === 'bridge') {
      await this.#settling.run(id, () => this.#settle(id));
      await filter.settle();
    }
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

  async #settle(id: string): Promise<void> {
    const { store, kernel, hostLock } = this.#context;
    const network = store.find(id);
    const bridges = (bridge: Network) => kernel.run('bridges', { bridges: [bridgeSpec(bridge)], links: [] });
    const isThere = (await kernel.run('present-bridges', { bridges: [bridgeSpec(network)] })).length > 0;
    if (isThere || membersOf(this.#context, id).length > 0) {
      await bridges(network);
      return;
    }
    await hostLock(async () => {
      const others = store.all().filter((other) => other.id !== id);
      const settled = await settleBridge(kernel, store.find(id), others);
      if (settled !== network) await store.put(settled);
      await bridges(settled);
    });
  }
}
