import type { OciBlockIo, OciDeviceRule, OciResources } from '../../oci-runner/bundle.ts';
import type { HostConfig } from '../container.ts';

/** What the cgroups of this host can do. */
export interface CgroupAbilities {
  readonly version: 1 | 2;
  /** False where the kernel does not count swap: the limit of memory plus swap is left out then. */
  readonly swapLimit: boolean;
  /** Limits of these are left out. */
  readonly missing?: ReadonlySet<'memory' | 'cpu' | 'cpuset' | 'pids'>;
}

const PERIOD = 100_000;

/** Containers may make device nodes, and open only those that the runtime itself allows (null, zero, tty …). */
const DEVICES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
];

const ALL_DEVICES: readonly OciDeviceRule[] = [{ allow: true, access: 'rwm' }];

/** What the paths of a container's devices and limits stand for on this host. */
export interface HostResources {
  readonly rules: readonly OciDeviceRule[];
  readonly blockIo?: OciBlockIo;
}

/** The cgroup limits of a container. */
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
