import type { ContainerInfo } from '../../containers/container-info.ts';
import { parseLink } from '../../networks/plan/links.ts';
import { mountPointsView } from './mount-view.ts';
import { type FixedNetworks, networksView, portList } from './network-settings.ts';
import { shownStatus, statusText } from './status-text.ts';

/** One element of `GET /containers/json` (Engine API, ContainerSummary) at `now`, milliseconds since 1970. */
export function containerSummary(
  container: ContainerInfo,
  now: number,
  shown: {
    /** Name or ID of its image. */
    readonly image: string;
    /** Names given to it by containers that link to it. */
    readonly linkNames?: readonly string[] | undefined;
    readonly fixed: FixedNetworks;
  },
): object {
  return {
    Id: container.id,
    Names: [`/${container.name}`, ...(shown.linkNames ?? [])],
    Image: shown.image,
    ImageID: container.imageId,
    Command: commandText(container),
    Created: Math.floor(Date.parse(container.createdAt) / 1000),
    Ports: portList(container),
    Labels: container.config.Labels,
    State: shownStatus(container.state),
    Status: statusText(container.state, now),
    HostConfig: { NetworkMode: container.hostConfig.NetworkMode },
    NetworkSettings: { Networks: networksView(container, 'left-out', shown.fixed) },
    Mounts: mountPointsView(container),
  };
}

/** Returns the COMMAND column: arguments with spaces are quoted. */
function commandText(container: ContainerInfo): string {
  const args = container.args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg));
  return [container.path, ...args].join(' ');
}

/** Returns the links of a container on the default network by current names, without links to removed containers. */
export function linksView(container: ContainerInfo, all: readonly ContainerInfo[]): readonly string[] {
  return (container.hostConfig.Links ?? []).flatMap((text) => {
    const { target, alias } = parseLink(text);
    const child = all.find(({ id }) => id === target);
    return child === undefined ? [] : [`/${child.name}:/${container.name}/${alias}`];
  });
}

/** Returns the names that containers get from links of other containers, by ID. */
export function namesByLinks(all: readonly ContainerInfo[]): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { name, hostConfig } of all) {
    for (const { target, alias } of (hostConfig.Links ?? []).map(parseLink)) {
      const known = names.get(target) ?? [];
      known.push(`/${name}/${alias}`);
      names.set(target, known);
    }
  }
  return names;
}
