import { EngineError } from '../../errors.ts';
import type { OciBlockIo, OciDeviceRule, OciResources } from '../../oci-runner/bundle.ts';
import type { ContainerInfo } from '../container-info.ts';
import type { ResourceChanges } from '../containers.ts';
import type { HostConfig } from '../host-config.ts';

/** The abilities of this host's cgroups. */
export interface CgroupAbilities {
  readonly version: 1 | 2;
  /** Whether the kernel accounts for swap; without it the limit of memory plus swap is omitted. */
  readonly swapLimit: boolean;
  /** Missing controllers, whose limits are omitted. */
  readonly missing?: ReadonlySet<'memory' | 'cpu' | 'cpuset' | 'pids'>;
}

const PERIOD = 100_000;

/** Containers may create any device node, but open only those that the runtime itself allows (null, zero, tty …). */
const DEVICES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
];

const ALL_DEVICES: readonly OciDeviceRule[] = [{ allow: true, access: 'rwm' }];

/** A container's device rules and block I/O limits with the device numbers of this host. */
export interface HostResources {
  readonly rules: readonly OciDeviceRule[];
  readonly blockIo?: OciBlockIo;
}

/** Returns the cgroup limits of a container. */
export function containerResources(
  hostConfig: HostConfig,
  cgroups: CgroupAbilities,
  host: HostResources = { rules: [] },
): OciResources {
  const has = (name: 'memory' | 'pids') => cgroups.missing?.has(name) !== true;
  const memory = has('memory') ? memoryLimits(hostConfig, cgroups) : undefined;
  const cpu = cpuLimits(hostConfig, cgroups.missing);
  return {
    devices: hostConfig.Privileged ? ALL_DEVICES : [...DEVICES, ...host.rules],
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(hostConfig.PidsLimit > 0 && has('pids') ? { pids: { limit: hostConfig.PidsLimit } } : {}),
    ...(host.blockIo === undefined ? {} : { blockIO: host.blockIo }),
  };
}

function memoryLimits(hostConfig: HostConfig, cgroups: CgroupAbilities): OciResources['memory'] {
  const { Memory: limit, MemorySwap: asked, MemoryReservation: reservation } = hostConfig;
  const swap = asked === 0 && limit > 0 ? 2 * limit : asked;
  const memory = {
    ...(limit > 0 ? { limit } : {}),
    ...(reservation > 0 ? { reservation } : {}),
    ...(swap !== 0 && cgroups.swapLimit ? { swap } : {}),
    // Version 2 has no such setting.
    ...(hostConfig.MemorySwappiness !== null && cgroups.version === 1
      ? { swappiness: hostConfig.MemorySwappiness }
      : {}),
    ...(hostConfig.OomKillDisable && cgroups.version === 1 ? { disableOOMKiller: true } : {}),
  };
  return isEmpty(memory) ? undefined : memory;
}

function cpuLimits(hostConfig: HostConfig, missing: CgroupAbilities['missing']): OciResources['cpu'] {
  const { NanoCpus: nano } = hostConfig;
  const quota = nano > 0 ? Math.round((nano * PERIOD) / 1e9) : hostConfig.CpuQuota;
  const period = nano > 0 ? PERIOD : hostConfig.CpuPeriod;
  const shares = {
    ...(hostConfig.CpuShares > 0 ? { shares: hostConfig.CpuShares } : {}),
    ...(quota !== 0 ? { quota } : {}),
    ...(period > 0 ? { period } : {}),
    ...(hostConfig.CpuRealtimePeriod > 0 ? { realtimePeriod: hostConfig.CpuRealtimePeriod } : {}),
    ...(hostConfig.CpuRealtimeRuntime > 0 ? { realtimeRuntime: hostConfig.CpuRealtimeRuntime } : {}),
  };
  const sets = {
    ...(hostConfig.CpusetCpus === '' ? {} : { cpus: hostConfig.CpusetCpus }),
    ...(hostConfig.CpusetMems === '' ? {} : { mems: hostConfig.CpusetMems }),
  };
  const cpu = { ...(missing?.has('cpu') ? {} : shares), ...(missing?.has('cpuset') ? {} : sets) };
  return isEmpty(cpu) ? undefined : cpu;
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

const PARENT = '/berth';

/** Returns the cgroup path of a container from the root of each hierarchy. `parent` is HostConfig.CgroupParent. */
export function cgroupPath(id: string, parent = ''): string {
  const folder = parent === '' ? PARENT : `/${parent.split('/').filter(Boolean).join('/')}`;
  return `${folder === '/' ? '' : folder}/${id}`;
}

export function containerCgroup({ id, hostConfig }: Pick<ContainerInfo, 'id' | 'hostConfig'>): string {
  return cgroupPath(id, hostConfig.CgroupParent);
}

/**
 * Returns a container's settings after `docker update`. Throws EngineError 'conflict' for changes that contradict unchanged
 * settings.
 */
export function changedHostConfig(hostConfig: HostConfig, changes: ResourceChanges): HostConfig {
  const { BlkioWeight: weight, PidsLimit: pids, ...others } = changes;
  if (changes.NanoCpus !== undefined) {
    if (hostConfig.CpuPeriod > 0) refuse('Nano CPUs cannot be updated as CPU Period has already been set');
    if (hostConfig.CpuQuota > 0) refuse('Nano CPUs cannot be updated as CPU Quota has already been set');
  }
  if (hostConfig.NanoCpus > 0) {
    if (changes.CpuPeriod !== undefined)
      refuse('CPU Period cannot be updated as NanoCPUs has already been set');
    if (changes.CpuQuota !== undefined)
      refuse('CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  const { Memory: memory, MemorySwap: swap } = changes;
  // As in dockerd, even if there is no limit yet.
  if (memory !== undefined && swap === undefined && memory > hostConfig.MemorySwap) {
    throw new EngineError(
      'conflict',
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  if (hostConfig.AutoRemove && changes.RestartPolicy !== undefined && changes.RestartPolicy.Name !== 'no') {
    throw new EngineError(
      'conflict',
      'Restart policy cannot be updated because AutoRemove is enabled for the container',
    );
  }
  const blockIo = weight === undefined ? hostConfig.BlockIo : { ...hostConfig.BlockIo, BlkioWeight: weight };
  const limit = pids === undefined ? {} : { PidsLimit: pids > 0 ? pids : -1 };
  return { ...hostConfig, ...others, ...limit, BlockIo: blockIo };
}

/**
 * Returns the limits that the runtime must set in a running container: all limits of each kind that changes; empty if
 * none changes.
 */
export function changedResources(
  hostConfig: HostConfig,
  changes: ResourceChanges,
  cgroups: CgroupAbilities,
): Omit<OciResources, 'devices'> {
  const { memory, cpu } = containerResources(hostConfig, cgroups);
  const names = Object.keys(changes);
  const changesMemory = names.some((name) => name.startsWith('Memory'));
  const changesCpu = names.some((name) => /^(Cpu|NanoCpus)/.test(name));
  return {
    ...(changesMemory && memory !== undefined ? { memory } : {}),
    ...(changesCpu && cpu !== undefined ? { cpu } : {}),
    ...(changes.PidsLimit === undefined || cgroups.missing?.has('pids')
      ? {}
      : { pids: { limit: changes.PidsLimit > 0 ? changes.PidsLimit : -1 } }),
    ...(changes.BlkioWeight === undefined ? {} : { blockIO: { weight: changes.BlkioWeight } }),
  };
}

function refuse(reason: string): never {
  throw new EngineError('conflict', `Conflicting options: ${reason}`);
}
