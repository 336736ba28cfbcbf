import { openProcessNamespace } from '../../lib/linux/process/process-namespace.ts';
import { EngineError } from '../errors.ts';
import { endpointHosts, planFor } from './container-files.ts';
import type { JoinedNetwork, LeftNetwork, RunningContainer } from './container-networks.ts';
import type { ActiveEndpoint, EndpointSettings, Network } from './network.ts';
import { type NetworkContext, publishNames, publishNetworkEvent } from './network-context.ts';
import type { NetworkedContainer } from './networked-container.ts';
import { aimPorts, openResolver, releaseEndpoint, takeEndpoint } from './open-sandbox.ts';
import { checkEndpoint, endpointSpec, nextInterface, planGateways } from './plan/place-container.ts';
import { dnsNames, ownLinks, type Sandbox } from './sandbox.ts';

/** Connects a running container to a further network. See ContainerNetworks.join. */
export async function joinNetwork(
  context: NetworkContext,
  running: RunningContainer,
  network: Network,
  settings: EndpointSettings,
): Promise<JoinedNetwork> {
  return await inNamespaceOf(running, (namespace) =>
    joinIn(context, namespace, running.container, network, settings),
  );
}

async function joinIn(
  context: NetworkContext,
  namespace: string,
  container: NetworkedContainer,
  network: Network,
  settings: EndpointSettings,
): Promise<JoinedNetwork> {
  const sandbox = sandboxOf(context, container.id);
  if (sandbox.endpoints.some((endpoint) => endpoint.network.id === network.id)) {
    throw new EngineError(
      'forbidden',
      `endpoint with name ${container.name} already exists in network ${network.name}`,
    );
  }
  checkEndpoint(network, settings);
  const { endpoint, stale } = takeEndpoint(
    context.addresses,
    network,
    container.id,
    settings,
    nextInterface(sandbox.endpoints),
  );
  const before = sandbox.endpoints;
  const endpoints = [...before, endpoint];
  // At once: a network with members cannot be removed.
  sandbox.endpoints = endpoints;
  try {
    if (stale.length > 0) await context.kernel.run('unlink', { links: stale });
    await context.kernel.run('join', {
      namespace,
      endpoint: endpointSpec(network, endpoint),
      gateways: planGateways(endpoints),
    });
  } catch (error) {
    sandbox.endpoints = before;
    releaseEndpoint(context.addresses, container.id, endpoint);
    throw new EngineError('runtime', `the network cannot be joined: ${(error as Error).message}`, {
      cause: error,
    });
  }
  sandbox.names.set(network.id, dnsNames(container, settings.aliases));
  sandbox.links.set(network.id, ownLinks(settings));
  publishNames(context, sandbox);
  const resolvConf = await openLateResolver(context, sandbox, namespace, !network.predefined);
  await aimPorts(context, sandbox);
  publishNetworkEvent(context, network, 'connect', container.id);
  return {
    active: { endpoints, ports: sandbox.ports },
    hosts: endpointHosts(container, endpoint),
    ...(resolvConf === undefined ? {} : { resolvConf }),
  };
}

/** Disconnects a running container from a network. See ContainerNetworks.leave. */
export async function leaveNetwork(
  context: NetworkContext,
  running: RunningContainer,
  ref: string,
): Promise<LeftNetwork> {
  return await inNamespaceOf(running, (namespace) => leaveIn(context, namespace, running.container, ref));
}

async function leaveIn(
  context: NetworkContext,
  namespace: string,
  container: NetworkedContainer,
  ref: string,
): Promise<LeftNetwork> {
  const sandbox = sandboxOf(context, container.id);
  const gone = sandbox.endpoints.find(({ network }) => network.name === ref || network.id === ref);
  if (gone === undefined) {
    throw new EngineError('forbidden', `container ${container.id} is not connected to network ${ref}`);
  }
  const endpoints = sandbox.endpoints.filter((endpoint) => endpoint !== gone);
  await context.kernel.run('leave', {
    namespace,
    link: gone.link,
    gateways: planGateways(endpoints),
  });
  sandbox.endpoints = endpoints;
  sandbox.names.delete(gone.network.id);
  sandbox.links.delete(gone.network.id);
  publishNames(context, sandbox);
  releaseEndpoint(context.addresses, container.id, gone);
  await aimPorts(context, sandbox);
  publishNetworkEvent(context, gone.network, 'disconnect', container.id);
  return { active: { endpoints, ports: sandbox.ports }, addresses: addressesOf(gone) };
}

/**
 * Throws EngineError 'conflict' when the container has just ended: its PID may belong to another process, in the host's
 * own network.
 */
async function inNamespaceOf<T>(
  running: RunningContainer,
  work: (namespace: string) => Promise<T>,
): Promise<T> {
  const namespace = openProcessNamespace(running, 'net');
  if (namespace === undefined) {
    throw new EngineError('conflict', `container ${running.container.id} is not running`);
  }
  try {
    return await work(namespace.path);
  } finally {
    namespace.close();
  }
}

/** Opens the resolver of a container that started without one, when it joins its first network with names. */
async function openLateResolver(
  context: NetworkContext,
  sandbox: Sandbox,
  namespace: string,
  hasNames: boolean,
): Promise<string | undefined> {
  if (!hasNames || context.dns.isOpen(sandbox.id)) return undefined;
  await openResolver(context, sandbox, namespace);
  return planFor(sandbox.container, context.resolvers.settings(), true).text;
}

function sandboxOf(context: NetworkContext, id: string): Sandbox {
  const sandbox = context.sandboxes.get(id);
  if (sandbox === undefined) throw new EngineError('conflict', `Container ${id} has no networks`);
  return sandbox;
}

function addressesOf({ ipv4, ipv6 }: ActiveEndpoint): readonly string[] {
  return [ipv4, ipv6].flatMap((text) => (text === '' ? [] : [text.split('/')[0] ?? '']));
}
