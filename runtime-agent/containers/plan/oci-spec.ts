import type { OciDevice, OciLinux, OciMount, OciSpec, SeccompProfile } from '../../oci-runner/bundle.ts';
import type { Container, HostConfig } from '../container.ts';
import { processEnvironment } from './environment.ts';
import { type ContainerFiles, containerMounts, INIT_PATH, type ShmSource } from './mounts.ts';
import {
  type CgroupAbilities,
  containerCgroup,
  containerResources,
  type HostResources,
} from './resources.ts';
import type { ProcessUser } from './user.ts';

/** What a specification is made of besides the container itself. */
export interface SpecInputs {
  readonly rootfs: string;
  readonly files: ContainerFiles;
  /** Of the container's mount points. */
  readonly mounts: readonly OciMount[];
  readonly network: SpecNetwork;
  readonly user: ProcessUser;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Undefined where the host has no AppArmor. */
  readonly apparmor: string | undefined;
  /** Undefined: unconfined. */
  readonly seccomp: SeccompProfile | undefined;
  readonly cgroups: CgroupAbilities;
  readonly devices: readonly OciDevice[];
  readonly host: HostResources;
  readonly joined: JoinedNamespaces;
  readonly shm: ShmSource;
  /** Variables of the containers that it is linked to. */
  readonly links?: readonly string[];
}

/** Of every network namespace that is the container's own: low ports and ping need no capability. */
const NETWORK_SYSCTLS = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

/** The OCI runtime configuration of a container (runtime-spec, config.md), with Docker's defaults. */
export function ociSpec(container: Container, inputs: SpecInputs): OciSpec {
  const { config, hostConfig } = container;
  const { network } = inputs;
  const ownNetwork = network.kind === 'new' || network.kind === 'made';
  const { uid, gid, additionalGids, home } = inputs.user;
  // What execve gives a process that is not root, so that it makes no difference how it came to be so.
  const held = uid === 0 ? inputs.capabilities : [];
  const hidden = hiddenPaths(hostConfig);
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
      maskedPaths: hidden.masked ?? [],
      readonlyPaths: hidden.readonly ?? [],
      ...(inputs.seccomp === undefined ? {} : { seccomp: inputs.seccomp }),
      ...rootfsPropagation(inputs.mounts),
    },
    ...(Object.keys(hostConfig.Annotations).length === 0 ? {} : { annotations: hostConfig.Annotations }),
  };
}

/** Mounts pass between the host and a bind only if they pass the root too; by default the runtime makes the root private. */
function rootfsPropagation(mounts: readonly OciMount[]): { readonly rootfsPropagation?: string } {
  const some = (...words: readonly string[]) =>
    mounts.some(({ options }) => options.some((option) => words.includes(option)));
  if (some('shared', 'rshared')) return { rootfsPropagation: 'shared' };
  return some('slave', 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}

/** In dockerd's order, which inspect shows and programs compare. */
const MASKED = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The paths that a container may not read, or not write; null where it is privileged and says nothing of them. */
export function hiddenPaths(hostConfig: Pick<HostConfig, 'Privileged' | 'MaskedPaths' | 'ReadonlyPaths'>): {
  readonly masked: readonly string[] | null;
  readonly readonly: readonly string[] | null;
} {
  const { Privileged: privileged, MaskedPaths: masked, ReadonlyPaths: readonly } = hostConfig;
  return {
    masked: masked ?? (privileged ? null : MASKED),
    readonly: readonly ?? (privileged ? null : READONLY),
  };
}

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
