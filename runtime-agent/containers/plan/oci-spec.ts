import type { OciDevice, OciLinux, OciMount, OciSpec, SeccompProfile } from '../../oci-runner/bundle.ts';
import type { ContainerInfo } from '../container-info.ts';
import { type HostConfig, maskedPaths, readonlyPaths } from '../host-config.ts';
import { type ContainerFiles, containerMounts, INIT_PATH, type ShmSource } from './mounts.ts';
import { processEnvironment } from './process.ts';
import {
  type CgroupAbilities,
  containerCgroup,
  containerResources,
  type HostResources,
} from './resources.ts';
import type { ProcessUser } from './user.ts';

/** The inputs of a specification besides the container. */
export interface SpecInputs {
  readonly rootfs: string;
  readonly files: ContainerFiles;
  /** Mounts of the container's mount points. */
  readonly mounts: readonly OciMount[];
  readonly network: SpecNetwork;
  readonly user: ProcessUser;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** AppArmor profile; undefined if the host has no AppArmor. */
  readonly apparmor: string | undefined;
  /** Undefined means no seccomp filter. */
  readonly seccomp: SeccompProfile | undefined;
  readonly cgroups: CgroupAbilities;
  readonly devices: readonly OciDevice[];
  readonly host: HostResources;
  readonly joined: JoinedNamespaces;
  readonly shm: ShmSource;
  /** Variables of linked containers. */
  readonly links?: readonly string[];
}

/** Sysctls of a container's own network namespace: low ports and ping need no capability. */
const NETWORK_SYSCTLS = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

/** Returns the OCI runtime configuration of a container (runtime-spec, config.md), with Docker's defaults. */
export function ociSpec(container: ContainerInfo, inputs: SpecInputs): OciSpec {
  const { config, hostConfig } = container;
  const { network } = inputs;
  const ownNetwork = network.kind === 'new' || network.kind === 'made';
  const { uid, gid, additionalGids, home } = inputs.user;
  // As execve does for a non-root process.
  const held = uid === 0 ? inputs.capabilities : [];
  const ownUts = hostConfig.UTSMode !== 'host';
  const command = [container.path, ...container.args];
  const size = hostConfig.ConsoleSize;
  return {
    ociVersion: '1.0.2',
    ...(ownUts ? { hostname: config.Hostname } : {}),
    root: { path: inputs.rootfs, readonly: hostConfig.ReadonlyRootfs },
    process: {
      terminal: config.Tty,
      ...(config.Tty && size !== undefined ? { consoleSize: { height: size[0], width: size[1] } } : {}),
      user: { uid, gid, additionalGids },
      args: hostConfig.Init ? [INIT_PATH, '--', ...command] : command,
      env: processEnvironment(config, home, inputs.links),
      cwd: config.WorkingDir === '' ? '/' : config.WorkingDir,
      capabilities: {
        bounding: inputs.capabilities,
        effective: held,
        permitted: held,
        inheritable: [],
        ambient: [],
      },
      rlimits: hostConfig.Ulimits.map(({ Name, Soft, Hard }) => ({
        type: `RLIMIT_${Name.toUpperCase()}`,
        soft: Soft < 0 ? ('unlimited' as const) : Soft,
        hard: Hard < 0 ? ('unlimited' as const) : Hard,
      })),
      noNewPrivileges: inputs.noNewPrivileges,
      ...(inputs.apparmor === undefined ? {} : { apparmorProfile: inputs.apparmor }),
      oomScoreAdj: hostConfig.OomScoreAdj,
    },
    mounts: containerMounts(hostConfig, inputs.files, inputs.mounts, inputs.shm),
    linux: {
      namespaces: containerNamespaces(hostConfig, network, inputs.joined),
      cgroupsPath: containerCgroup(container),
      resources: containerResources(hostConfig, inputs.cgroups, inputs.host),
      devices: inputs.devices,
      sysctl: {
        ...(ownNetwork ? NETWORK_SYSCTLS : {}),
        // runc 1.1 does not know the field domainname.
        ...(config.Domainname === '' || !ownUts ? {} : { 'kernel.domainname': config.Domainname }),
        ...hostConfig.Sysctls,
      },
      maskedPaths: maskedPaths(hostConfig) ?? [],
      readonlyPaths: readonlyPaths(hostConfig) ?? [],
      ...(inputs.seccomp === undefined ? {} : { seccomp: inputs.seccomp }),
      ...rootfsPropagation(inputs.mounts),
    },
    ...(Object.keys(hostConfig.Annotations).length === 0 ? {} : { annotations: hostConfig.Annotations }),
  };
}

/**
 * Returns the propagation of the root: mounts propagate to a bind only if they propagate to the root, which runtimes make
 * private by default.
 */
function rootfsPropagation(mounts: readonly OciMount[]): { readonly rootfsPropagation?: string } {
  const some = (...words: readonly string[]) =>
    mounts.some(({ options }) => options.some((option) => words.includes(option)));
  if (some('shared', 'rshared')) return { rootfsPropagation: 'shared' };
  return some('slave', 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}

/** The network namespace of a container: the host's, a new one, or an existing one. */
export type SpecNetwork =
  | { readonly kind: 'host' }
  | { readonly kind: 'new' }
  | { readonly kind: 'made'; readonly path: string }
  /** Another container's namespace, whose sysctls are already set. */
  | { readonly kind: 'shared'; readonly path: string };

/** Paths of other containers' namespaces that a container joins. */
export interface JoinedNamespaces {
  readonly pid?: string;
  readonly ipc?: string;
}

/** Returns the container that `container:X` names; undefined for another mode. */
export function sharedContainerRef(mode: string): string | undefined {
  return mode.startsWith('container:') ? mode.slice('container:'.length) : undefined;
}

/** Returns the namespaces of a container (runtime-spec, config-linux.md, "Namespaces"). */
function containerNamespaces(
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
