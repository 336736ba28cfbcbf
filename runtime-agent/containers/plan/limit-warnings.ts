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
  const warnings: string[] = [];
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
