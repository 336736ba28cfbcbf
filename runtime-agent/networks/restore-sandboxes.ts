import { openProcessNamespace } from '../../lib/linux/process/process-namespace.ts';
import { planFor } from './container-files.ts';
import type { RunningContainer } from './container-networks.ts';
import type { ActiveNetwork, Network } from './network.ts';
import { type NetworkContext, presentNetworks, publishNames } from './network-context.ts';
import { openResolver } from './open-sandbox.ts';
import { bridgeOptions } from './plan/bridge-options.ts';
import { bridgeSpec } from './plan/place-container.ts';
import { dnsNames, ownLinks, publishedTargets, type Sandbox } from './sandbox.ts';

/** See ContainerNetworks.adopt. */
export function adoptSandbox(
  context: NetworkContext,
  { container, pid, startTime }: RunningContainer,
  { endpoints, ports }: ActiveNetwork,
): void {
  const sandbox: Sandbox = {
    id: container.id,
    name: container.name,
    container,
    endpoints,
    ports,
    names: new Map(
      endpoints.map(({ network }) => [
        network.id,
        dnsNames(container, container.networks[network.name]?.aliases ?? null),
      ]),
    ),
    links: new Map(endpoints.map(({ network }) => [network.id, ownLinks(container.networks[network.name])])),
    opening: Promise.resolve(),
    connected: true,
    adopted: { pid, startTime },
  };
  for (const { network, ipv4, ipv6 } of endpoints) {
    for (const text of [ipv4, ipv6]) {
      const [address = ''] = text.split('/');
      if (address !== '') context.addresses.adopt(network.id, address);
    }
  }
  context.filter.adoptPorts(container.id, publishedTargets(endpoints, ports).targets);
  context.sandboxes.set(container.id, sandbox);
  publishNames(context, sandbox);
}

/** See ContainerNetworks.restore. A failure for one container is logged, and the others continue. */
export async function restoreSandboxes(context: NetworkContext): Promise<void> {
  const sandboxes = [...context.sandboxes.values()].filter(({ adopted }) => adopted !== undefined);
  // Ports of containers that have ended meanwhile belong to the host again.
  if (sandboxes.length === 0 && (await presentNetworks(context)).length === 0) return;
  const attempt = async (what: string, container: string | undefined, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      context.log.error({ container, err: error }, what);
    }
  };
  await attempt('the bridges of the networks could not be restored', undefined, () =>
    restoreBridges(context),
  );
  await attempt('the packet filter could not be restored', undefined, async () => {
    await context.filter.settle();
  });
  await Promise.all(
    sandboxes.map((sandbox) =>
      attempt('the network of a container could not be restored', sandbox.id, () =>
        restoreOne(context, sandbox),
      ),
    ),
  );
}

/** Creates missing bridges again, with the links of the running containers attached. */
export async function restoreBridges(context: NetworkContext): Promise<void> {
  const endpoints = [...context.sandboxes.values()].flatMap((sandbox) => sandbox.endpoints);
  const used = new Map<string, Network>();
  const links = endpoints.flatMap(({ network: { id }, link }) => {
    const network = context.store.byId(id);
    if (network === undefined) return [];
    used.set(id, network);
    return [{ link, bridge: network.bridge, isolated: !bridgeOptions(network.options).icc }];
  });
  if (used.size === 0) return;
  const made = await context.kernel.run('bridges', { bridges: [...used.values()].map(bridgeSpec), links });
  if (made.length > 0) context.log.info({ bridges: made }, 'bridges were created again');
}

async function restoreOne(context: NetworkContext, sandbox: Sandbox): Promise<void> {
  const { container, endpoints, ports, adopted } = sandbox;
  const named = endpoints.some(({ network }) => context.store.byId(network.id)?.predefined === false);
  if (adopted !== undefined && planFor(container, context.resolvers.settings(), named).resolver) {
    const namespace = openProcessNamespace(adopted, 'net');
    // It has just ended, so it needs none.
    if (namespace === undefined) return;
    try {
      await openResolver(context, sandbox, namespace.path);
    } finally {
      namespace.close();
    }
  }
  const failed = await context.publisher.adopt(sandbox.id, ports);
  context.publisher.aim(sandbox.id, publishedTargets(endpoints, ports).relay);
  if (failed.length > 0) {
    context.log.warn(
      { container: sandbox.id, ports: failed },
      'another program has published ports of a container',
    );
  }
}
