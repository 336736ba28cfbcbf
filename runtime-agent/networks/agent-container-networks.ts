import { EngineError } from '../errors.ts';
import { closeSandbox } from './close-sandbox.ts';
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
import type { ActiveNetwork, EndpointSettings } from './network.ts';
import { type NetworkContext, publishNames } from './network-context.ts';
import type { NetworkedContainer } from './networked-container.ts';
import { openSandbox } from './open-sandbox.ts';
import { checkEndpoint } from './plan/check-endpoint.ts';
import { networkMode } from './plan/network-mode.ts';
import { planPorts } from './plan/port-bindings.ts';
import { NetworkPreparation } from './prepare-network.ts';
import { adoptSandbox, restoreSandboxes } from './restore-sandboxes.ts';
import { dnsNames } from './sandbox.ts';

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

  async close(id: string): Promise<void> {
    await closeSandbox(this.#context, id);
  }
}

/** The network of NetworkMode first: its interface is eth0. */
function inOrder(container: NetworkedContainer): readonly (readonly [string, EndpointSettings])[] {
  const mode = networkMode(container.hostConfig.NetworkMode);
  const first = mode.kind === 'networks' ? mode.first : '';
  return Object.entries(container.networks).sort(([a], [b]) =>
    a === first ? -1 : b === first ? 1 : a < b ? -1 : 1,
  );
}
