import { randomBytes } from 'node:crypto';
import { timestamp } from '../../lib/time/timestamp.ts';
import { EngineError, isEngineError } from '../errors.ts';
import type { Network } from './network.ts';
import { membersOf, type NetworkContext, publishNetworkEvent } from './network-context.ts';
import type { Networks, NetworkWithMembers } from './networks.ts';
import { type NetworkRequest, planNetwork } from './plan/new-network.ts';
import { bridgeSpec } from './plan/place-container.ts';
import { hostRoutes } from './settle-bridge.ts';

/** The networks of this host, over the kernel. */
export class AgentNetworks implements Networks {
  readonly #context: NetworkContext;

  constructor(context: NetworkContext) {
    this.#context = context;
  }

  async create(request: NetworkRequest): Promise<string> {
    const { store, kernel, filter, hostLock } = this.#context;
    const id = randomBytes(32).toString('hex');
    const plan = (routes: Parameters<typeof planNetwork>[4]) =>
      planNetwork(id, timestamp(), request, store.all(), routes);
    // Bad input is reported before any query of the kernel.
    plan([]);
    const network = await hostLock(async () => {
      const planned = plan(await hostRoutes(kernel));
      await store.put(planned);
      try {
        await kernel.run('bridges', { bridges: [bridgeSpec(planned)], links: [] });
        await filter.settle();
      } catch (error) {
        await this.#takeBack(planned);
        throw new EngineError('runtime', `the network cannot be created: ${(error as Error).message}`, {
          cause: error,
        });
      }
      return planned;
    });
    publishNetworkEvent(this.#context, network, 'create');
    return id;
  }

  list(): readonly NetworkWithMembers[] {
    return this.#context.store
      .all()
      .map((network) => this.#withMembers(network))
      .sort((a, b) => (a.network.name < b.network.name ? -1 : 1));
  }

  get(ref: string): NetworkWithMembers {
    return this.#withMembers(this.#context.store.find(ref));
  }

  async remove(ref: string): Promise<void> {
    const network = this.#context.store.find(ref);
    if (network.predefined) {
      throw new EngineError('forbidden', `${network.name} is a pre-defined network and cannot be removed`);
    }
    if (membersOf(this.#context, network.id).length > 0) {
      throw new EngineError(
        'forbidden',
        `error while removing network: network ${network.name} id ${network.id} has active endpoints`,
      );
    }
    await this.#takeBack(network);
    publishNetworkEvent(this.#context, network, 'destroy');
  }

  async prune(matches: (network: Network) => boolean): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const network of this.#context.store.all()) {
      if (network.predefined || membersOf(this.#context, network.id).length > 0 || !matches(network))
        continue;
      try {
        await this.remove(network.id);
        removed.push(network.name);
      } catch (error) {
        // Another client has used or removed it meanwhile.
        if (!(isEngineError(error) && ['not-found', 'forbidden'].includes(error.code))) throw error;
      }
    }
    return removed;
  }

  async warnings(): Promise<readonly string[]> {
    const { filter } = this.#context;
    if (!filter.isMade) return [];
    return (await filter.overruledBy()).map(
      (chain) =>
        `WARNING: the packet filter's chain "${chain}" drops forwarded packets, so containers reach nothing beyond this host: allow the bridges of berth-agent there`,
    );
  }

  /**
   * Removes a network; from now on no container joins it. The row is deleted last: after a kill the next agent finds
   * the network again, and creates its bridge on use.
   */
  async #takeBack(network: Network): Promise<void> {
    const { store, kernel, filter, addresses } = this.#context;
    store.withdraw(network.id);
    try {
      await kernel.run('remove-bridge', bridgeSpec(network));
      if (filter.isMade) await filter.settle();
      addresses.forget(network.id);
      await store.delete(network.id);
    } catch (error) {
      await store.put(network);
      throw error;
    }
  }

  #withMembers(network: Network): NetworkWithMembers {
    return {
      network,
      members: membersOf(this.#context, network.id).flatMap(({ id, name, endpoints }) => {
        const endpoint = endpoints.find((candidate) => candidate.network.id === network.id);
        return endpoint === undefined ? [] : [{ container: { id, name }, endpoint }];
      }),
    };
  }
}
