import type { OciLinux } from '../../oci-runner/bundle.ts';
import type { HostConfig } from '../container.ts';

/** The network namespace of a container: the host's, one that the runtime makes, or one that is there already. */
export type SpecNetwork =
  | { readonly kind: 'host' }
  | { readonly kind: 'new' }
  | { readonly kind: 'made'; readonly path: string }
  /** Another container's, which has its settings already. */
  | { readonly kind: 'shared'; readonly path: string };

/** Namespaces of other containers that one is to share, as paths. */
export interface JoinedNamespaces {
  readonly pid?: string;
  readonly ipc?: string;
}

/** The container that `container:X` names; undefined for another mode. */
export function sharedContainerRef(mode: string): string | undefined {
  return mode.startsWith('container:') ? mode.slice('container:'.length) : undefined;
}

/** The namespaces of a container (runtime-spec, config-linux.md, "Namespaces"). */
export function containerNamespaces(
  hostConfig: HostConfig,
  network: SpecNetwork,
  joined: JoinedNamespaces,
): OciLinux['namespaces'] {
  const one = (type: string, isHost: boolean, path?: string) =>
    isHost ? [] : [{ type, ...(path === undefined ? {} : { path }) }];
  const isMade = network.kind === 'made' || network.kind === 'shared';
  return [
    { type: 'mount' },
    ...one('pid', hostConfig.PidMode === 'host', joined.pid),
    ...one('ipc', hostConfig.IpcMode === 'host', joined.ipc),
    ...one('uts', hostConfig.UTSMode === 'host'),
    ...one('network', network.kind === 'host', isMade ? network.path : undefined),
    ...one('cgroup', hostConfig.CgroupnsMode === 'host'),
  ];
}
