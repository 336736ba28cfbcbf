import { EngineError } from '../errors.ts';
import type { ContainerNetworks } from '../networks/container-networks.ts';
import type { ActiveNetwork, EndpointSettings } from '../networks/network.ts';
import { addToHosts, removeFromHosts } from '../networks/plan/etc-files.ts';
import { networkMode } from '../networks/plan/place-container.ts';
import type { Container } from './container.ts';
import type { ContainerInfo } from './container-info.ts';
import { editEtcFile } from './run/run-network.ts';

/** See Containers.connect. */
export async function connectContainer(
  container: Container,
  networks: ContainerNetworks,
  ref: string,
  settings: EndpointSettings,
): Promise<void> {
  const network = networks.checkJoin(ref, settings);
  await container.lock(async () => {
    const { info, run, paths, log } = container;
    checkMode(info.hostConfig.NetworkMode);
    const wanted = { ...info.networks, [network]: settings };
    if (run === undefined) container.change({ networks: wanted });
    else {
      const { pid, startTime } = run;
      const joined = await networks.join({ container: info, pid, startTime }, network, settings);
      change(container, joined.active, wanted);
      await editEtcFile(log, paths.hosts, (text) => joined.hosts.reduce(addToHosts, text));
      const { resolvConf } = joined;
      if (resolvConf !== undefined) await editEtcFile(log, paths.resolvConf, () => resolvConf);
    }
    await container.save();
  });
}

/** See Containers.disconnect. */
export async function disconnectContainer(
  container: Container,
  networks: ContainerNetworks,
  ref: string,
): Promise<void> {
  await container.lock(async () => {
    const { info, run, paths, log } = container;
    if (networkMode(info.hostConfig.NetworkMode).kind === 'host') checkMode('host');
    const network = networks.nameOf(ref);
    if (!Object.hasOwn(info.networks, network)) {
      throw new EngineError(
        'forbidden',
        // dockerd's wording for each.
        `container ${container.id} is not connected to ${run === undefined ? 'the network' : 'network'} ${network}`,
      );
    }
    const { [network]: _gone, ...others } = info.networks;
    if (run === undefined) container.change({ networks: others });
    else {
      const { pid, startTime } = run;
      const left = await networks.leave({ container: info, pid, startTime }, network);
      change(container, left.active, others);
      await editEtcFile(log, paths.hosts, (text) => left.addresses.reduce(removeFromHosts, text));
    }
    await container.save();
  });
}

function change(container: Container, network: ActiveNetwork, networks: ContainerInfo['networks']): void {
  const { run } = container;
  container.change({ networks, ...(run === undefined ? {} : { run: { ...run, network } }) });
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
