import type { Container } from '../container.ts';
import { processEnvironment } from './environment.ts';
import { type ContainerFiles, containerMounts, INIT_PATH } from './mounts.ts';
import type { OciDevice, OciMount, OciSpec } from './oci-types.ts';
import { type CgroupAbilities, containerResources } from './resources.ts';
import type { SeccompProfile } from './seccomp-types.ts';
import type { ProcessUser } from './user.ts';

/** The network namespace of a container: the host's, one that the runtime makes, or one that is there already. */
export type SpecNetwork =
  | { readonly kind: 'host' }
  | { readonly kind: 'new' }
  | { readonly kind: 'made'; readonly path: string }
  /** Another container's, which has its settings already. */
  | { readonly kind: 'shared'; readonly path: string };

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
  /** Undefined: unconfined. */
  readonly seccomp: SeccompProfile | undefined;
  readonly cgroups: CgroupAbilities;
  /** The host's devices, for privileged containers. */
  readonly devices: readonly OciDevice[];
}

const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

const READONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Of every network namespace that is the container's own: low ports and ping need no capability. */
const NETWORK_SYSCTLS = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

/** The paths that a container may not read, or not write; none when it is privileged. */
export function hiddenPaths(privileged: boolean): {
  readonly masked: readonly string[];
  readonly readonly: readonly string[];
} {
  return privileged ? { masked: [], readonly: [] } : { masked: MASKED, readonly: READONLY };
}

/** The cgroup of a container, under the root of each hierarchy. */
export function cgroupPath(id: string): string {
  return `/berth/${id}`;
}

/** The OCI runtime configuration of a container (runtime-spec, config.md), with Docker's defaults. */
export function ociSpec(container: Container, inputs: SpecInputs): OciSpec {
  const { config, hostConfig } = container;
  const { network } = inputs;
  const ownNetwork = network.kind === 'new' || network.kind === 'made';
  const { uid, gid, additionalGids, home } = inputs.user;
  // What execve gives a process that is not root, so that it makes no difference how it came to be so.
  const held = uid === 0 ? inputs.capabilities : [];
  const hidden = hiddenPaths(hostConfig.Privileged);
  const command = [container.path, ...container.args];
  const size = hostConfig.ConsoleSize;
  return {
    ociVersion: '1.0.2',
    hostname: config.Hostname,
    root: { path: inputs.rootfs, readonly: hostConfig.ReadonlyRootfs },
    process: {
      terminal: config.Tty,
      ...(config.Tty && size !== undefined ? { consoleSize: { height: size[0], width: size[1] } } : {}),
      user: { uid, gid, additionalGids },
      args: hostConfig.Init ? [INIT_PATH, '--', ...command] : command,
      env: processEnvironment(config, home),
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
      oomScoreAdj: hostConfig.OomScoreAdj,
    },
    mounts: containerMounts(hostConfig, inputs.files, inputs.mounts),
    linux: {
      namespaces: [
        { type: 'mount' },
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        ...(network.kind === 'host'
          ? []
          : [{ type: 'network', ...(network.kind === 'new' ? {} : { path: network.path }) }]),
        ...(inputs.cgroups.version === 2 && !hostConfig.Privileged ? [{ type: 'cgroup' }] : []),
      ],
      cgroupsPath: cgroupPath(container.id),
      resources: containerResources(hostConfig, inputs.cgroups),
      devices: hostConfig.Privileged ? inputs.devices : [],
      sysctl: {
        ...(ownNetwork ? NETWORK_SYSCTLS : {}),
        // runc 1.1 does not know the field domainname.
        ...(config.Domainname === '' ? {} : { 'kernel.domainname': config.Domainname }),
        ...hostConfig.Sysctls,
      },
      maskedPaths: hidden.masked,
      readonlyPaths: hidden.readonly,
      ...(inputs.seccomp === undefined ? {} : { seccomp: inputs.seccomp }),
    },
  };
}

/** The text of config.json. */
export function writeOciSpec(spec: OciSpec): string {
  // 2^64 - 1, which no JavaScript number holds.
  const unlimited = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('18446744073709551615');
  return JSON.stringify(spec, (key, value: unknown) =>
    value === 'unlimited' && (key === 'soft' || key === 'hard') ? unlimited : value,
  );
}
