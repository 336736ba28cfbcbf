import { readFile } from 'node:fs/promises';
import { type CgroupLayout, hasBlockWeight } from '../../lib/linux/cgroups/cgroups.ts';
import { parseProcessorList } from '../../lib/linux/processors.ts';
import { EngineError } from '../errors.ts';
import type { HostConfig } from './host-config.ts';

const CPUS = '/sys/devices/system/cpu/online';
const NODES = '/sys/devices/system/node/online';

/** Throws EngineError 'bad-request' unless this host has the requested processors and memory nodes. */
export async function checkCpusets({ CpusetCpus, CpusetMems }: HostConfig): Promise<void> {
  if (CpusetCpus !== '') await checkList('CPUs', CpusetCpus, CPUS);
  if (CpusetMems !== '') await checkList('memory nodes', CpusetMems, NODES);
}

async function checkList(what: string, asked: string, path: string): Promise<void> {
  const available = (await readFile(path, 'latin1').catch(() => '0')).trim();
  const there = new Set(parseProcessorList(available));
  // Limits the length of the parsed list; no host has this many.
  const largest = Math.max(...asked.split(/[-,]/).map(Number));
  if (largest < 4096 && parseProcessorList(asked).every((number) => there.has(number))) return;
  throw new EngineError(
    'bad-request',
    `Requested ${what} are not available - requested ${asked.slice(0, 80)}, available: ${available}`,
  );
}

/** Returns dockerd's warning where the kernel has no block I/O weights; runtimes ignore them then. */
export function blockWeightWarnings({ BlockIo }: HostConfig, cgroups: CgroupLayout): readonly string[] {
  if (BlockIo.BlkioWeight === 0 || hasBlockWeight(cgroups)) return [];
  return ['Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'];
}
