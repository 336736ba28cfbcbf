import { EngineError, isEngineError, noSuchContainer } from '../../errors.ts';
import { type HostsEntry, removeNames, replaceInHosts } from '../../networks/plan/etc-files.ts';
import { parseLink } from '../../networks/plan/links.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { type LinkedContainer, linksEnvironment } from '../plan/process.ts';
import { editEtcFile } from './run-network.ts';

/** Entries of /etc/hosts and variables that links add to a container at its start. */
export interface RunLinks {
  readonly hosts: readonly HostsEntry[];
  readonly environment: readonly string[];
}

/**
 * Returns the links of the default network with container IDs, since names may change. Links of other networks belong
 * to the endpoints. Throws EngineError 'bad-request' for a container that does not exist or has no address.
 */
export function settleLinks(index: ContainerIndex, hostConfig: HostConfig): readonly string[] {
  const mode = networkMode(hostConfig.NetworkMode);
  const links = (hostConfig.Links ?? []).map(parseLink);
  if (mode.kind !== 'networks' || mode.first !== 'bridge') return [];
  return links.map(({ target, alias }) => `${linkable(index, target).id}:${alias}`);
}

/** Returns the container whose network the named container uses. */
function linkable(index: ContainerIndex, ref: string): ContainerInfo {
  let info: ContainerInfo;
  try {
    info = index.find(ref).info;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    // Clients would take 'not-found' for a missing image.
    throw new EngineError('bad-request', `could not get container for ${ref}: ${error.message}`, {
      cause: error,
    });
  }
  const mode = networkMode(info.hostConfig.NetworkMode);
  if (mode.kind === 'container') return linkable(index, mode.container);
  if (mode.kind === 'host') {
    throw new EngineError(
      'bad-request',
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  return info;
}

/** Returns the links of a container to existing containers. */
export function linksOf(
  index: ContainerIndex,
  container: ContainerInfo,
): readonly { readonly child: Container; readonly alias: string }[] {
  return (container.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
    const child = index.byId(target);
    return child === undefined ? [] : [{ child, alias }];
  });
}

/**
 * Returns hosts entries and variables of a container's links. Throws EngineError 'runtime' for a link to a container
 * that is not running, or is not on the default network.
 */
export function runLinks(index: ContainerIndex, container: ContainerInfo): RunLinks {
  const hosts: HostsEntry[] = [];
  const linked: LinkedContainer[] = [];
  for (const { child, alias } of linksOf(index, container)) {
    const { name, config, activeNetwork } = child.info;
    if (child.run === undefined) {
      throw new EngineError(
        'runtime',
        `Cannot link to a non running container: /${name} AS /${container.name}/${alias}`,
      );
    }
    const endpoint = activeNetwork?.endpoints.find(({ network }) => network.name === 'bridge');
    const [address = ''] = (endpoint?.ipv4 ?? '').split('/');
    if (address === '') {
      throw new EngineError(
        'runtime',
        `Cannot link to /${name}, as it does not belong to the default network`,
      );
    }
    hosts.push(linkHosts(child.info, alias, address));
    linked.push({ alias, address, config });
  }
  return { hosts, environment: linksEnvironment(container.name, linked) };
}

/** Writes the new address of a started container to the /etc/hosts of running containers that link to it. */
export async function notifyLinked(index: ContainerIndex, started: Container): Promise<void> {
  const endpoint = started.info.activeNetwork?.endpoints.find(({ network }) => network.name === 'bridge');
  const [address = ''] = (endpoint?.ipv4 ?? '').split('/');
  if (address === '') return;
  for (const parent of index.all()) {
    if (parent.run === undefined || parent.info.hostConfig.Links === undefined) continue;
    for (const { child, alias } of linksOf(index, parent.info)) {
      if (child !== started) continue;
      const entry = linkHosts(started.info, alias, address);
      await editEtcFile(parent.log, parent.paths.hosts, (text) => replaceInHosts(text, entry));
    }
  }
}

function linkHosts(child: ContainerInfo, alias: string, address: string): HostsEntry {
  return { address, names: linkNames(child, alias) };
}

/** Returns the names of a link's target in /etc/hosts. */
export function linkNames({ name, config }: ContainerInfo, alias: string): readonly string[] {
  return [alias, config.Hostname, ...(name === alias ? [] : [name])];
}

/** See ContainerControl.unlink. */
export async function unlinkContainer(index: ContainerIndex, ref: string): Promise<void> {
  const name = ref.replace(/^\//, '');
  const slash = name.lastIndexOf('/');
  if (slash < 0) {
    index.find(name);
    throw new EngineError('conflict', 'Conflict, cannot remove the default link name of the container');
  }
  const parent = index.all().find(({ info }) => info.name === name.slice(0, slash));
  const alias = name.slice(slash + 1);
  if (parent === undefined) throw noSuchContainer(ref);
  await parent.lock(async () => {
    parent.checkExists();
    const { Links: links = [], ...hostConfig } = parent.info.hostConfig;
    const left = links.filter((link) => parseLink(link).alias !== alias);
    if (left.length === links.length) throw noSuchContainer(ref);
    if (parent.run !== undefined) await removeFromFile(index, parent, alias);
    await parent.changeSettings({ hostConfig: { ...hostConfig, ...(left.length > 0 && { Links: left }) } });
  });
}

/** Removes a link from the container's /etc/hosts. Its variables keep their values until the next start. */
async function removeFromFile(
  index: ContainerIndex,
  { info, paths, log }: Container,
  alias: string,
): Promise<void> {
  for (const link of linksOf(index, info)) {
    if (link.alias !== alias) continue;
    const names = linkNames(link.child.info, alias);
    await editEtcFile(log, paths.hosts, (text) => removeNames(text, names));
  }
}
