import { EngineError } from '../errors.ts';
import type { ActiveNetwork, EndpointSettings } from '../networks/network.ts';
import { addToHosts, removeFromHosts } from '../networks/plan/hosts-file.ts';
import { networkMode } from '../networks/plan/network-mode.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';
import { editEtcFile } from './run/run-network.ts';

/** See Containers.connect. */
export async function connectContainer(
  context: ContainerContext,
  live: LiveContainer,
  ref: string,
  settings: EndpointSettings,
): Promise<void> {
  const network = context.networks.checkJoin(ref, settings);
  await live.mutex.run(async () => {
    const { container, run, paths } = live;
    checkMode(container.hostConfig.NetworkMode);
    if (run === undefined) {
      live.change({ networks: { ...container.networks, [network]: settings } });
    } else {
      const joined = await context.networks.join(
        { container, pid: run.pid, startTime: run.startTime },
        network,
        settings,
      );
      change(live, joined.active, { ...container.networks, [network]: settings });
      await editEtcFile(context.log, paths.hosts, (text) => joined.hosts.reduce(addToHosts, text));
      const { resolvConf } = joined;
      if (resolvConf !== undefined) await editEtcFile(context.log, paths.resolvConf, () => resolvConf);
    }
    await context.table.update(live.stored);
  });
}

/** See Containers.disconnect. */
export async function disconnectContainer(
  context: ContainerContext,
  live: LiveContainer,
  ref: string,
): Promise<void> {
  await live.mutex.run(async () => {
    const { container, run, paths } = live;
    if (networkMode(container.hostConfig.NetworkMode).kind === 'host') checkMode('host');
    const network = context.networks.nameOf(ref);
    if (!Object.hasOwn(container.networks, network)) {
      throw new EngineError(
        'forbidden',
        // dockerd's wording for each.
        `container ${container.id} is not connected to ${run === undefined ? 'the network' : 'network'} ${network}`,
      );
    }
    const { [network]: _gone, ...networks } = container.networks;
    if (run === undefined) live.change({ networks });
    else {
      const left = await context.networks.leave(
        { container, pid: run.pid, startTime: run.startTime },
        network,
      );
      change(live, left.active, networks);
      await editEtcFile(context.log, paths.hosts, (text) => left.addresses.reduce(removeFromHosts, text));
    }
    await context.table.update(live.stored);
  });
}

function change(
  live: LiveContainer,
  network: ActiveNetwork,
  networks: LiveContainer['container']['networks'],
): void {
  const { run } = live;
  live.change({ networks, ...(run === undefined ? {} : { run: { ...run, network } }) });
}

function checkMode(mode: string): void {
  const { kind } = networkMode(mode);
  if (kind === 'container') {
    throw new EngineError(
      'forbidden',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  if (kind === 'host') {
    throw new EngineError(
      'forbidden',
      'container cannot be disconnected from host network or connected to host network',
    );
  }
  if (kind === 'none') {
    throw new EngineError(
      'forbidden',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}
