import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroups.ts';

/** Bytes or operations, by device. */
export interface BlockIoCount {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
}

/** Resource usage of a cgroup. Times are nanoseconds, memory is bytes. */
export interface CgroupUsage {
  readonly cpu: {
    readonly total: number;
    readonly user: number;
    readonly kernel: number;
    /** Per processor, if the kernel counts it. */
    readonly perCpu?: readonly number[];
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
  readonly memory: {
    readonly usage: number;
    readonly maxUsage?: number;
    readonly failures?: number;
    /** Undefined without a limit. */
    readonly limit: number | undefined;
    /** The fields of memory.stat. */
    readonly stats: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number | undefined };
  readonly blockIo: { readonly bytes: readonly BlockIoCount[]; readonly operations: readonly BlockIoCount[] };
}

/** cgroups(7) counts user and system time in ticks of 10 ms. */
const TICK = 10_000_000;
/** Version 1 writes "no limit" as the largest number of pages. */
const NO_LIMIT = 2 ** 62;

/** Reads the usage of a cgroup. A value that the kernel does not count is 0. */
export function readCgroupUsage(layout: CgroupLayout, path: string): Promise<CgroupUsage> {
  return layout.version === 2 ? readVersion2(join(layout.root, path)) : readVersion1(layout.root, path);
}

async function readVersion1(root: string, path: string): Promise<CgroupUsage> {
  const read = (controller: string, file: string) => readText(join(root, controller, path, file));
  const [
    usage,
    perCpu,
    times,
    throttling,
    memory,
    peak,
    limit,
    failures,
    stats,
    pids,
    most,
    bytes,
    operations,
  ] = await Promise.all([
    read('cpuacct', 'cpuacct.usage'),
    read('cpuacct', 'cpuacct.usage_percpu'),
    read('cpuacct', 'cpuacct.stat'),
    read('cpu', 'cpu.stat'),
    read('memory', 'memory.usage_in_bytes'),
    read('memory', 'memory.max_usage_in_bytes'),
    read('memory', 'memory.limit_in_bytes'),
    read('memory', 'memory.failcnt'),
    read('memory', 'memory.stat'),
    read('pids', 'pids.current'),
    read('pids', 'pids.max'),
    read('blkio', 'blkio.throttle.io_service_bytes'),
    read('blkio', 'blkio.throttle.io_serviced'),
  ]);
  const time = keyed(times);
  const throttled = keyed(throttling);
  return {
    cpu: {
      total: count(usage),
      user: (time.user ?? 0) * TICK,
      kernel: (time.system ?? 0) * TICK,
      perCpu: perCpu.split(/\s+/).filter(Boolean).map(Number),
      periods: throttled.nr_periods ?? 0,
      throttledPeriods: throttled.nr_throttled ?? 0,
      throttledTime: throttled.throttled_time ?? 0,
    },
    memory: {
      usage: count(memory),
      maxUsage: count(peak),
      failures: count(failures),
      limit: limitOf(limit),
      stats: keyed(stats),
    },
    pids: { current: count(pids), limit: limitOf(most) },
    blockIo: { bytes: throttleCounts(bytes), operations: throttleCounts(operations) },
  };
}

async function readVersion2(folder: string): Promise<CgroupUsage> {
  const read = (file: string) => readText(join(folder, file));
  const [times, memory, peak, limit, stats, pids, most, io] = await Promise.all([
    read('cpu.stat'),
    read('memory.current'),
    read('memory.peak'),
    read('memory.max'),
    read('memory.stat'),
    read('pids.current'),
    read('pids.max'),
    read('io.stat'),
  ]);
  const time = keyed(times);
  const microseconds = (name: string) => (time[name] ?? 0) * 1000;
  return {
    cpu: {
      total: microseconds('usage_usec'),
      user: microseconds('user_usec'),
      kernel: microseconds('system_usec'),
      periods: time.nr_periods ?? 0,
      throttledPeriods: time.nr_throttled ?? 0,
      throttledTime: microseconds('throttled_usec'),
    },
    memory: {
      usage: count(memory),
      ...(peak === '' ? {} : { maxUsage: count(peak) }),
      limit: limitOf(limit),
      stats: keyed(stats),
    },
    pids: { current: count(pids), limit: limitOf(most) },
    blockIo: { bytes: ioCounts(io, 'bytes'), operations: ioCounts(io, 'ios') },
  };
}

/** Returns '' when the file does not exist, or the group was removed meanwhile. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

function count(text: string): number {
  return Number.parseInt(text, 10) || 0;
}

function limitOf(text: string): number | undefined {
  const limit = Number.parseInt(text, 10);
  return Number.isNaN(limit) || limit >= NO_LIMIT ? undefined : limit;
}

/** Parses lines of a name and a number. */
function keyed(text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...text.matchAll(/^(\S+) (\d+)$/gm)].map(([, name, value]) => [name, Number(value)]),
  );
}

/** Parses lines such as `8:0 Read 4096`; the line of the total has no device. */
function throttleCounts(text: string): readonly BlockIoCount[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op = '', value]) => ({
    major: Number(major),
    minor: Number(minor),
    op: op.toLowerCase(),
    value: Number(value),
  }));
}

/** `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0` */
function ioCounts(text: string, unit: 'bytes' | 'ios'): readonly BlockIoCount[] {
  return [...text.matchAll(/^(\d+):(\d+) (.+)$/gm)].flatMap(([, major, minor, rest = '']) => {
    const values = Object.fromEntries(rest.split(' ').map((pair) => pair.split('=') as [string, string]));
    return [
      { major: Number(major), minor: Number(minor), op: 'read', value: Number(values[`r${unit}`] ?? 0) },
      { major: Number(major), minor: Number(minor), op: 'write', value: Number(values[`w${unit}`] ?? 0) },
    ];
  });
}
