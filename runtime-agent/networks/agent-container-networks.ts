import { KeyedLock } from '../../lib/sync/semaphore.ts';
import { EngineError } from '../errors.ts';
import { extraHosts, filesWithoutNetworks, hostGatewayOf } from './container-files.ts';
import type {
  ContainerNetworks,
  JoinedNetwork,
  LeftNetwork,
  NetworkFiles,
  OpenedNetwork,
  RunningContainer,
} from './container-networks.ts';
import { joinNetwork, leaveNetwork } from './move-container.ts';
import type { ActiveNetwork, EndpointSettings, Network } from './network.ts';
import { membersOf, type NetworkContext, publishNames, publishNetworkEvent } from './network-context.ts';
import type { NetworkedContainer } from './networked-container.ts';
import { openSandbox, releaseEndpoint } from './open-sandbox.ts';
import { bridgeSpec, checkEndpoint, networkMode } from './plan/place-container.ts';
import { planPorts } from './plan/port-bindings.ts';
import { adoptSandbox, restoreSandboxes } from './restore-sandboxes.ts';
import { dnsNames } from './sandbox.ts';
import { settleBridge } from './settle-bridge.ts';

/** The networks of the agent's containers, over the kernel. */
export class AgentContainerNetworks implements ContainerNetworks {
  readonly #context: NetworkContext;
  readonly #preparation: NetworkPreparation;

  constructor(context: NetworkContext) {
    this.#context = context;
    this.#preparation = new NetworkPreparation(context);
  }

  admit(container: NetworkedContainer): NetworkedContainer['networks'] {
    const { hostConfig, config, networks } = container;
    planPorts({
      bindings: hostConfig.PortBindings,
      publishAll: hostConfig.PublishAllPorts,
      exposed: Object.keys(config.ExposedPorts ?? {}),
    });
    extraHosts(hostConfig.ExtraHosts, '127.0.0.1');
    if (networkMode(hostConfig.NetworkMode).kind !== 'networks') return networks;
    const admitted = Object.entries(networks).map(([ref, settings]) => {
      const network = this.#context.store
        .all()
        .find(({ name, id }) => name === ref || id === ref || (ref.length >= 12 && id.startsWith(ref)));
      if (network !== undefined) checkEndpoint(network, settings);
      return [network?.name ?? ref, settings] as const;
    });
    return Object.fromEntries(admitted);
  }

  async open(container: NetworkedContainer): Promise<OpenedNetwork> {
    const prepared = [];
    for (const [name, settings] of inOrder(container)) {
      const network = await this.#preparation.prepare(name);
      checkEndpoint(network, settings);
      prepared.push({ id: network.id, settings });
    }
    // One may have been removed while another was prepared; from here on the container is a member of all.
    const places = prepared.map(({ id, settings }) => ({ network: this.#context.store.find(id), settings }));
    return openSandbox(this.#context, container, places);
  }

  filesWithout(container: NetworkedContainer): NetworkFiles {
    const { resolvers, store } = this.#context;
    return filesWithoutNetworks(container, resolvers.settings(), hostGatewayOf(store.find('bridge')));
  }

  adopt(running: RunningContainer, active: ActiveNetwork): void {
    adoptSandbox(this.#context, running, active);
  }

  async restore(): Promise<void> {
    await restoreSandboxes(this.#context);
  }

  async join(running: RunningContainer, ref: string, settings: EndpointSettings): Promise<JoinedNetwork> {
    const { id } = await this.#preparation.prepare(ref);
    return joinNetwork(this.#context, running, this.#context.store.find(id), settings);
  }

  async leave(running: RunningContainer, ref: string): Promise<LeftNetwork> {
    return leaveNetwork(this.#context, running, ref);
  }

  checkJoin(ref: string, settings: EndpointSettings): string {
    const network = this.#context.store.find(ref);
    if (network.driver === 'host') {
      throw new EngineError(
        'bad-request',
        'container cannot be disconnected from host network or connected to host network',
      );
    }
    if (network.driver === 'null') {
      throw new EngineError(
        'bad-request',
        'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      );
    }
    checkEndpoint(network, settings);
    return network.name;
  }

  nameOf(ref: string): string {
    return this.#context.store.find(ref).name;
  }

  rename(id: string, name: string): void {
    const sandbox = this.#context.sandboxes.get(id);
    if (sandbox === undefined) return;
    const container = { ...sandbox.container, name };
    sandbox.name = name;
    sandbox.container = container;
    for (const network of sandbox.names.keys()) {
      const known = this.#context.store.byId(network)?.name ?? '';
      sandbox.names.set(network, dnsNames(container, container.networks[known]?.aliases ?? null));
    }
    publishNames(this.#context, sandbox);
  }

  refresh(container: NetworkedContainer): void {
    const sandbox = this.#context.sandboxes.get(container.id);
    if (sandbox === undefined) return;
    sandbox.container = container;
    publishNames(this.#context, sandbox);
  }

  async close(id: string): Promise<void> {
    await closeSandbox(this.#context, id);
  }
}

/** Returns the networks, that of NetworkMode first: its interface is eth0. */
function inOrder(container: NetworkedContainer): readonly (readonly [string, EndpointSettings])[] {
  const mode = networkMode(container.hostConfig.NetworkMode);
  const first = mode.kind === 'networks' ? mode.first : '';
  return Object.entries(container.networks).sort(([a], [b]) =>
    a === first ? -1 : b === first ? 1 : a < b ? -1 : 1,
  );
}

/** Milliseconds after which links that the kernel has not removed with their namespace are deleted. */
const LINGERING = 3_000;

/** See ContainerNetworks.close. */
async function closeSandbox(context: NetworkContext, id: string): Promise<void> {
  const { sandboxes, kernel, log } = context;
  const sandbox = sandboxes.get(id);
  if (sandbox === undefined) return;
  sandboxes.delete(id);
  await sandbox.opening;
  context.dns.forget(id);
  if (sandbox.ports.length > 0) {
    await context.filter.setPorts(id, []).catch((error: unknown) => {
      log.error(
        { container: id, err: error },
        'the ports of a container could not be removed from the packet filter',
      );
    });
  }
  await context.publisher.release(id);
  for (const endpoint of sandbox.endpoints) {
    releaseEndpoint(context.addresses, id, endpoint);
    if (sandbox.connected) publishNetworkEvent(context, endpoint.network, 'disconnect', id);
  }
  const links = sandbox.endpoints.map(({ link }) => link);
  if (links.length === 0) return;
  // Another container that shares the namespace, or a program in it, would keep the address in use.
  setTimeout(() => {
    kernel.run('unlink', { links }).catch((error: unknown) => {
      log.debug({ container: id, err: error }, 'the links of a container could not be deleted');
    });
  }, LINGERING).unref();
}

/**
 * Prepares a network for containers: first its bridge, then its packet filter. While the network has no containers, its
 * bridge is settled first: another agent may have the name or the subnet by now.
 */
class NetworkPreparation {
  readonly #context: NetworkContext;
  readonly #settling = new KeyedLock();
  #look: Promise<void> | undefined;

  constructor(context: NetworkContext) {
    this.#context = context;
  }

  /** Prepares a network and returns it, by its reference. Throws EngineError 'not-found'. */
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

  /** Warns once, so that the operator need not find out by connections that hang. */
  async #lookAtOthers(): Promise<void> {
    const { filter, log } = this.#context;
    const chains = await filter.overruledBy().catch(() => []);
    if (chains.length === 0) return;
    log.warn(
      { chains },
      'chains of the packet filter drop forwarded packets: containers reach nothing beyond this host',
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
