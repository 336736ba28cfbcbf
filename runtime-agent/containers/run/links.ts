import { EngineError, isEngineError } from '../../errors.ts';
import { type HostsEntry, removeNames, replaceInHosts } from '../../networks/plan/hosts-file.ts';
import { parseLink } from '../../networks/plan/links.ts';
import { networkMode } from '../../networks/plan/network-mode.ts';
import type { ContainerInfo, HostConfig } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import type { LiveContainer } from '../live-container.ts';
import { linkEnvironment } from '../plan/environment.ts';
import { editEtcFile } from './run-network.ts';

/** Entries of /etc/hosts and variables that links give a container at its start. */
export interface RunLinks {
  readonly hosts: readonly HostsEntry[];
  readonly environment: readonly string[];
}

type Known = Pick<ContainerContext, 'index'>;

/**
 * Returns the links of the default network with container IDs, since names may change. Links of other networks belong to
 * the endpoints. Throws EngineError 'bad-request' for a container that does not exist or has no address.
 */
export function settleLinks(context: Known, hostConfig: HostConfig): readonly string[] {
  const mode = networkMode(hostConfig.NetworkMode);
  const links = (hostConfig.Links ?? []).map(parseLink);
  if (mode.kind !== 'networks' || mode.first !== 'bridge') return [];
  return links.map(({ target, alias }) => `${linkable(context, target).id}:${alias}`);
}

/** Returns the container whose network the named container uses. */
function linkable(context: Known, ref: string): ContainerInfo {
  let container: ContainerInfo;
  try {
    container = context.index.find(ref).container;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    // Clients would take 'not-found' for a missing image.
    throw new EngineError('bad-request', `could not get container for ${ref}: ${error.message}`, {
      cause: error,
    });
  }
  const mode = networkMode(container.hostConfig.NetworkMode);
  if (mode.kind === 'container') return linkable(context, mode.container);
  if (mode.kind === 'host') {
    throw new EngineError(
      'bad-request',
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  return container;
}

/** Returns the links of a container to existing containers. */
export function linksOf(
  context: Known,
  container: ContainerInfo,
): readonly { readonly child: LiveContainer; readonly alias: string }[] {
  return (container.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
    const child = context.index.byId(target);
    return child === undefined ? [] : [{ child, alias }];
  });
}

/**
 * Returns hosts entries and variables of a container's links. Throws EngineError 'runtime' for a link to a container that
 * does not run, or is not on the default network.
 */
export function runLinks(context: Known, container: ContainerInfo): RunLinks {
  const hosts: HostsEntry[] = [];
  const environment: string[] = [];
  for (const { child, alias } of linksOf(context, container)) {
    const { name, config, activeNetwork } = child.container;
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
    hosts.push(linkHosts(child.container, alias, address));
    environment.push(...linkEnvironment(container.name, { alias, address, config }));
  }
  return { hosts, environment };
}

/** Writes the new address of a started container to the /etc/hosts of running containers that link to it. */
export async function notifyLinked(context: ContainerContext, live: LiveContainer): Promise<void> {
  const endpoint = live.container.activeNetwork?.endpoints.find(({ network }) => network.name === 'bridge');
  const [address = ''] = (endpoint?.ipv4 ?? '').split('/');
  if (address === '') return;
  for (const parent of context.index.all()) {
    if (parent.run === undefined || parent.container.hostConfig.Links === undefined) continue;
    for (const { child, alias } of linksOf(context, parent.container)) {
      if (child !== live) continue;
      const { hosts } = parent.paths;
      const entry = linkHosts(live.container, alias, address);
      await editEtcFile(context.log, hosts, (text) => replaceInHosts(text, entry));
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
export async function unlinkContainer(context: ContainerContext, ref: string): Promise<void> {
  const name = ref.replace(/^\//, '');
  const slash = name.lastIndexOf('/');
  if (slash < 0) {
    context.index.find(name);
    throw new EngineError('conflict', 'Conflict, cannot remove the default link name of the container');
  }
  const parent = context.index.all().find(({ container }) => container.name === name.slice(0, slash));
  const alias = name.slice(slash + 1);
  const unknown = () => new EngineError('not-found', `No such container: ${ref.slice(0, 300)}`);
  if (parent === undefined) throw unknown();
  await parent.mutex.run(async () => {
    const { Links: links = [], ...hostConfig } = context.index.find(parent.id).container.hostConfig;
    const left = links.filter((link) => parseLink(link).alias !== alias);
    if (left.length === links.length) throw unknown();
    if (parent.run !== undefined) await removeFromFile(context, parent, alias);
    parent.change({ hostConfig: { ...hostConfig, ...(left.length > 0 && { Links: left }) } });
    await context.table.updateSettings(parent.container);
  });
}

/** Removes a link from the container's /etc/hosts. Its variables keep their values until the next start. */
async function removeFromFile(
  context: ContainerContext,
  { container, paths }: LiveContainer,
  alias: string,
): Promise<void> {
  for (const link of linksOf(context, container)) {
    if (link.alias !== alias) continue;
    const names = linkNames(link.child.container, alias);
    await editEtcFile(context.log, paths.hosts, (text) => removeNames(text, names));
  }
}
