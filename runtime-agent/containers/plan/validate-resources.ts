import { readFile } from 'node:fs/promises';
import { type CgroupLayout, hasBlockWeight } from '../../../lib/linux/cgroups/cgroups.ts';
import { parseProcessorList } from '../../../lib/linux/processors.ts';
import { EngineError } from '../../errors.ts';
import type { HostConfig } from '../host-config.ts';
import type { CgroupAbilities } from './resources.ts';

const MIN_MEMORY = 6 << 20;
const RATES = [
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
] as const;

/** Throws EngineError 'bad-request' for invalid limits. `cpus` is the number of the host's processors. */
export function validateResources(hostConfig: HostConfig, cpus: number): void {
  validateMemory(hostConfig);
  validateCpu(hostConfig, cpus);
  validateRealtime(hostConfig);
  validateBlockIo(hostConfig.BlockIo);
  for (const rule of hostConfig.DeviceCgroupRules) {
    if (!/^[acb] (\d{1,9}|\*):(\d{1,9}|\*) [rwm]{1,3}$/.test(rule)) {
      refuse(`invalid device cgroup rule format: '${rule.slice(0, 80)}'`);
    }
  }
  const parent = hostConfig.CgroupParent;
  if (parent.split('/').includes('..') || parent.includes('\0') || parent.length > 1024) {
    refuse(`invalid parent cgroup '${parent.slice(0, 80)}': it is a path from the root of the hierarchies`);
  }
}

function validateMemory(hostConfig: HostConfig): void {
  const { Memory: memory, MemorySwap: swap, MemoryReservation: reservation } = hostConfig;
  if (memory < 0 || reservation < 0) refuse('memory limits cannot be negative');
  if (memory > 0 && memory < MIN_MEMORY) refuse('Minimum memory limit allowed is 6MB');
  if (memory === 0 && swap > 0) {
    refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (swap > 0 && swap < memory) {
    refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  const swappiness = hostConfig.MemorySwappiness ?? 0;
  if (swappiness < 0 || swappiness > 100) {
    refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (reservation > 0 && reservation < MIN_MEMORY) refuse('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && reservation > memory) {
    refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function validateCpu(hostConfig: HostConfig, cpus: number): void {
  const { NanoCpus: nano, CpuPeriod: period, CpuQuota: quota, CpuShares: shares } = hostConfig;
  if (nano !== 0 && period !== 0) {
    refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set.');
  }
  if (nano !== 0 && quota !== 0) {
    refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set.');
  }
  if (nano < 0 || nano > cpus * 1e9) {
    refuse(`Range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (quota > 0 && quota < 1000) refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (shares < 0) refuse(`invalid CPU shares (${shares}): value must be a positive integer`);
  for (const [name, list] of [
    ['cpus', hostConfig.CpusetCpus],
    ['mems', hostConfig.CpusetMems],
  ] as const) {
    if (list !== '' && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list)) {
      refuse(`Invalid value ${list.slice(0, 80)} for cpuset ${name}: invalid format: ${list.slice(0, 80)}`);
    }
  }
}

function validateRealtime({ CpuRealtimePeriod: period, CpuRealtimeRuntime: runtime }: HostConfig): void {
  if (period < 0 || runtime < 0) refuse('CPU real-time period and runtime cannot be negative');
  if (period !== 0 && runtime > period) {
    refuse('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

function validateBlockIo(limits: HostConfig['BlockIo']): void {
  const isWeight = (weight: number) => weight >= 10 && weight <= 1000;
  if (limits.BlkioWeight !== 0 && !isWeight(limits.BlkioWeight)) {
    refuse('Range of blkio weight is from 10 to 1000');
  }
  for (const { Path, Weight } of limits.BlkioWeightDevice) {
    if (!isWeight(Weight)) refuse(`invalid weight for device: ${Path.slice(0, 80)}:${Weight}`);
  }
  for (const name of RATES) {
    for (const { Path, Rate } of limits[name]) {
      if (Rate <= 0)
        refuse(`invalid rate for device: ${Path.slice(0, 80)}:${Rate}. The correct rate is more than 0`);
    }
  }
}

function refuse(message: string): never {
  throw new EngineError('bad-request', message);
}

/**
 * Returns dockerd's warnings for limits that this host's cgroups cannot apply and that are omitted. Throws EngineError
 * 'bad-request' for limits that must not be omitted.
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

/** Warnings for limits whose controller is disabled in the kernel. */
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
