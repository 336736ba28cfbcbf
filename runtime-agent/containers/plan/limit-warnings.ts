import { EngineError } from '../../errors.ts';
import type { HostConfig } from '../container.ts';
import type { CgroupAbilities } from './resources.ts';

/**
 * What this host's cgroups cannot do of what a container asks for, and is left out, in dockerd's words. Throws EngineError
 * 'bad-request' for what nobody should go without.
 */
export function limitWarnings(hostConfig: HostConfig, cgroups: CgroupAbilities): readonly string[] {
  const realtime = hostConfig.CpuRealtimePeriod > 0 || hostConfig.CpuRealtimeRuntime > 0;
  if (realtime && cgroups.version === 2) {
    throw new EngineError(
      'bad-request',
      'Your kernel does not support CPU real-time scheduler with cgroup version 2: leave --cpu-rt-runtime and --cpu-rt-period out',
    );
  }
  const warnings: string[] = [...discarded(hostConfig, cgroups)];
  if (cgroups.missing?.has('memory')) return warnings;
  if (hostConfig.Memory !== 0 && hostConfig.MemorySwap !== -1 && !cgroups.swapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
  }
  if (hostConfig.MemorySwappiness !== null && cgroups.version === 2) {
    warnings.push(
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    );
  }
  if (hostConfig.OomKillDisable) {
    if (cgroups.version === 2) {
      warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    } else if (hostConfig.Memory === 0) {
      warnings.push(
        'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
      );
    }
  }
  return warnings;
}

/** Limits whose controller the kernel was started without. */
function discarded(hostConfig: HostConfig, { missing }: CgroupAbilities): readonly string[] {
  const { Memory, MemoryReservation, CpuShares, NanoCpus, CpuQuota, CpuPeriod } = hostConfig;
  const { CpusetCpus, CpusetMems, PidsLimit } = hostConfig;
  const asked = [
    { name: 'memory', is: Memory !== 0, what: 'memory limit capabilities', end: 'Limitation discarded.' },
    {
      name: 'memory',
      is: MemoryReservation !== 0,
      what: 'memory soft limit capabilities',
      end: 'Limitation discarded.',
    },
    { name: 'cpu', is: CpuShares > 0, what: 'CPU shares', end: 'Shares discarded.' },
    {
      name: 'cpu',
      is: NanoCpus > 0 || CpuQuota !== 0 || CpuPeriod > 0,
      what: 'CPU CFS scheduler',
      end: 'CPU period/quota discarded.',
    },
    { name: 'cpuset', is: CpusetCpus + CpusetMems !== '', what: 'cpuset', end: 'Cpuset discarded.' },
    { name: 'pids', is: PidsLimit > 0, what: 'PIDs limit capabilities', end: 'PIDs limit discarded.' },
  ] as const;
  return asked
    .filter(({ name, is }) => is && missing?.has(name) === true)
    .map(({ what, end }) => `Your kernel does not support ${what} or the cgroup is not mounted. ${end}`);
}
