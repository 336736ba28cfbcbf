import type { BlockIoCount } from '../../../lib/linux/cgroups/cgroup-usage.ts';
import type { InterfaceCounters } from '../../../lib/linux/network/network-counters.ts';
import type { ContainerInfo } from '../../containers/container-info.ts';
import type { StatsSample } from '../../containers/stats/container-stats.ts';
import { ZERO_TIME } from './status-text.ts';

/**
 * Returns one object of `GET /containers/{id}/stats` (Engine API, ContainerStats). `before` is the sample that clients
 * count from; without a sample the container is not running, and all is 0. `hostMemory` is the limit of a container
 * without one.
 */
export function statsView(
  container: Pick<ContainerInfo, 'id' | 'name'>,
  sample: StatsSample | undefined,
  before: StatsSample | undefined,
  hostMemory: number,
): object {
  const networks = Object.entries(sample?.networks ?? {});
  return {
    read: sample?.readAt.toISOString() ?? ZERO_TIME,
    preread: before?.readAt.toISOString() ?? ZERO_TIME,
    pids_stats: sample === undefined ? {} : pidsView(sample),
    blkio_stats: blockIoView(sample),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuView(sample),
    precpu_stats: cpuView(before),
    memory_stats: sample === undefined ? {} : memoryView(sample, hostMemory),
    name: `/${container.name}`,
    id: container.id,
    ...(networks.length === 0
      ? {}
      : {
          networks: Object.fromEntries(networks.map(([name, counters]) => [name, interfaceView(counters)])),
        }),
  };
}

function pidsView({ pids }: StatsSample): object {
  return { current: pids.current, ...(pids.limit === undefined ? {} : { limit: pids.limit }) };
}

function cpuView(sample: StatsSample | undefined): object {
  const { cpu } = sample ?? {};
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perCpu === undefined ? {} : { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(sample === undefined ? {} : { system_cpu_usage: sample.systemCpu, online_cpus: sample.onlineCpus }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttledTime ?? 0,
    },
  };
}

function memoryView({ memory }: StatsSample, hostMemory: number): object {
  return {
    usage: memory.usage,
    ...(memory.maxUsage === undefined ? {} : { max_usage: memory.maxUsage }),
    stats: memory.stats,
    ...(memory.failures === undefined ? {} : { failcnt: memory.failures }),
    limit: Math.min(memory.limit ?? hostMemory, hostMemory),
  };
}

function blockIoView(sample: StatsSample | undefined): object {
  const orNull = (counts: readonly BlockIoCount[] | undefined) => (counts?.length ? counts : null);
  return {
    io_service_bytes_recursive: orNull(sample?.blockIo.bytes),
    io_serviced_recursive: orNull(sample?.blockIo.operations),
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function interfaceView(counters: InterfaceCounters): object {
  return {
    rx_bytes: counters.rxBytes,
    rx_packets: counters.rxPackets,
    rx_errors: counters.rxErrors,
    rx_dropped: counters.rxDropped,
    tx_bytes: counters.txBytes,
    tx_packets: counters.txPackets,
    tx_errors: counters.txErrors,
    tx_dropped: counters.txDropped,
  };
}
