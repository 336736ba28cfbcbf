import { EngineError } from '../../errors.ts';
import type { OciResources } from '../../oci-runner/bundle.ts';
import type { HostConfig } from '../container.ts';
import type { ResourceChanges } from '../container-control.ts';
import { type CgroupAbilities, containerResources } from './resources.ts';

/**
 * A container's settings after `docker update`. Throws EngineError 'conflict' for changes that contradict what is set and
 * not changed along with them.
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
  // As dockerd, also where there is no such limit yet.
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

/** What the runtime has to change in a container that runs: all limits of the kinds that change; empty where none do. */
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
