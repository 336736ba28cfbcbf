import { EngineError, isEngineError } from '../../errors.ts';
import { type HostsEntry, replaceInHosts } from '../../networks/plan/hosts-file.ts';
import { parseLink } from '../../networks/plan/links.ts';
import { networkMode } from '../../networks/plan/network-mode.ts';
import type { Container, HostConfig } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import type { LiveContainer } from '../live-container.ts';
import { linkEnvironment } from '../plan/link-environment.ts';
import { editEtcFile } from './edit-etc-file.ts';

/** What links bring a container that is being started. */
export interface RunLinks {
  readonly hosts: readonly HostsEntry[];
  readonly environment: readonly string[];
}

type Known = Pick<ContainerContext, 'registry'>;

/**
 * Links of the default network by the IDs of the containers, whose names may change; those of other networks belong to the
 * endpoints. Throws EngineError 'bad-request' for what is not there or has no address.
 */
export function settleLinks(context: Known, hostConfig: HostConfig): readonly string[] {
  const mode = networkMode(hostConfig.NetworkMode);
  const links = (hostConfig.Links ?? []).map(parseLink);
  if (mode.kind !== 'networks' || mode.first !== 'bridge') return [];
  return links.map(({ target, alias }) => `${linkable(context, target).id}:${alias}`);
}

/** The container whose network the named one has. */
function linkable(context: Known, ref: string): Container {
  let container: Container;
  try {
    container = context.registry.find(ref).container;
  } catch (error) {
    if (!isEngineError(error)) throw error;
    // As 'not-found', clients would take it for the image's.
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

/** The links of a container to others that are still there. */
export function linksOf(
  context: Known,
  container: Container,
): readonly { readonly child: LiveContainer; readonly alias: string }[] {
  return (container.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
    const child = context.registry.byId(target);
    return child === undefined ? [] : [{ child, alias }];
  });
}

/** Throws EngineError 'runtime' for a link to a container that does not run, or not on the default network. */
export function runLinks(context: Known, container: Container): RunLinks {
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

/** A container that others are linked to has been started: their /etc/hosts gets its new address. */
export async function tellLinked(context: ContainerContext, live: LiveContainer): Promise<void> {
  const endpoint = live.container.activeNetwork?.endpoints.find(({ network }) => network.name === 'bridge');
  const [address = ''] = (endpoint?.ipv4 ?? '').split('/');
  if (address === '') return;
  for (const parent of context.registry.all()) {
    if (parent.run === undefined || parent.container.hostConfig.Links === undefined) continue;
    for (const { child, alias } of linksOf(context, parent.container)) {
      if (child !== live) continue;
      const { hosts } = parent.paths;
      const entry = linkHosts(live.container, alias, address);
      await editEtcFile(context.log, hosts, (text) => replaceInHosts(text, entry));
    }
  }
}

function linkHosts(child: Container, alias: string, address: string): HostsEntry {
  return { address, names: linkNames(child, alias) };
}

/** By which a container finds one that it is linked to. */
export function linkNames({ name, config }: Container, alias: string): readonly string[] {
  return [alias, config.Hostname, ...(name === alias ? [] : [name])];
}
