import { fileSystemSpace } from '../../lib/files/file-system-space.ts';
import type { Sample, SampledNaming } from '../../lib/metrics/metric.ts';
import type { MetricSet } from '../../lib/metrics/metric-set.ts';
import { exposeProcess } from '../../lib/metrics/process-metrics.ts';
import type { ContainerInfo } from '../containers/container-info.ts';
import type { Containers } from '../containers/containers.ts';
import type { ContainerStats, StatsSample } from '../containers/stats/container-stats.ts';
import type { EngineEvent, EventBus } from '../events/event-bus.ts';

/** Maximum containers whose usage is reported; the series of more would cost Prometheus too much. */
const MOST_CONTAINERS = 500;
/** Maximum containers that are read at the same time. */
const READ_AT_ONCE = 16;
const NANOSECONDS = 1e9;

/** The parts of the agent that its metrics describe. */
export interface MeasuredAgent {
  readonly containers: Pick<Containers, 'list'>;
  readonly stats: Pick<ContainerStats, 'sample'>;
  readonly events: Pick<EventBus, 'subscribe'>;
  readonly dataDirectory: string;
}

/** Metrics of a container's usage, by cAdvisor's names. */
const USAGE = {
  cpu: {
    name: 'container_cpu_usage_seconds_total',
    help: 'Processor time of a running container.',
    type: 'counter',
  },
  throttled: {
    name: 'container_cpu_cfs_throttled_seconds_total',
    help: 'Time for which its limit of processors held it up.',
    type: 'counter',
  },
  memory: { name: 'container_memory_usage_bytes', help: 'Memory, with its page cache.' },
  workingSet: {
    name: 'container_memory_working_set_bytes',
    help: 'Memory without the page cache that can be dropped at once.',
  },
  limit: { name: 'container_spec_memory_limit_bytes', help: 'Its limit of memory; 0 without one.' },
  processes: { name: 'container_processes', help: 'Processes and threads.' },
  received: {
    name: 'container_network_receive_bytes_total',
    help: 'Bytes received on a network of its own.',
    type: 'counter',
  },
  sent: {
    name: 'container_network_transmit_bytes_total',
    help: 'Bytes sent on a network of its own.',
    type: 'counter',
  },
  start: { name: 'container_start_time_seconds', help: 'When it was started, in seconds since 1970.' },
} satisfies Readonly<Record<string, SampledNaming>>;

type Usage = Record<keyof typeof USAGE, Sample[]>;

/** Adds the metrics of an agent. Events are counted from now on. */
export function exposeAgent(
  set: MetricSet,
  { containers, stats, events, dataDirectory }: MeasuredAgent,
): void {
  exposeProcess(set);
  countEvents(set, events);
  set.sampled(
    {
      free: {
        name: 'berth_agent_data_free_bytes',
        help: 'Free bytes on the file system of the data folder.',
      },
      size: { name: 'berth_agent_data_size_bytes', help: 'Size of the file system of the data folder.' },
    },
    async () => {
      const { size, free } = await fileSystemSpace(dataDirectory);
      return { free: [{ value: free }], size: [{ value: size }] };
    },
  );
  set.sampled(
    {
      containers: { name: 'berth_agent_containers', help: 'Containers, by state.' },
      unhealthy: {
        name: 'berth_agent_containers_unhealthy',
        help: 'Running containers that fail their check.',
      },
      restarts: {
        name: 'berth_agent_container_restarts_total',
        help: 'How often its policy has started a container again, by container.',
        type: 'counter',
      },
    },
    async () => {
      const all = await containers.list();
      const states = new Map<string, number>();
      for (const { state } of all) states.set(state.status, (states.get(state.status) ?? 0) + 1);
      return {
        containers: [...states].map(([state, value]) => ({ labels: { state }, value })),
        unhealthy: [{ value: all.filter(({ state }) => state.health?.Status === 'unhealthy').length }],
        restarts: all
          .filter(({ state }) => state.restartCount > 0)
          .slice(0, MOST_CONTAINERS)
          .map((info) => ({ labels: labelsOf(info), value: info.state.restartCount })),
      };
    },
  );
  set.sampled(USAGE, async () => {
    const found: Usage = {
      ...{ cpu: [], throttled: [], memory: [], workingSet: [], limit: [] },
      ...{ processes: [], received: [], sent: [], start: [] },
    };
    const running = (await containers.list()).filter(({ state }) => state.pid !== 0);
    const rest = running.slice(0, MOST_CONTAINERS).values();
    const read = async () => {
      for (const info of rest) {
        // A container that has just ended has no usage.
        const sample = await stats.sample(info.id).catch(() => undefined);
        if (sample !== undefined) addUsage(found, info, sample);
      }
    };
    await Promise.all(Array.from({ length: READ_AT_ONCE }, read));
    return found;
  });
}

function addUsage(
  found: Usage,
  info: ContainerInfo,
  { cpu, memory, pids, networks = {} }: StatsSample,
): void {
  const labels = labelsOf(info);
  const add = (key: keyof Usage, value: number) => found[key].push({ labels, value });
  add('cpu', cpu.total / NANOSECONDS);
  add('throttled', cpu.throttledTime / NANOSECONDS);
  add('memory', memory.usage);
  // Version 1 of cgroups reports totals of the hierarchy under other names.
  const droppable = memory.stats.total_inactive_file ?? memory.stats.inactive_file ?? 0;
  add('workingSet', Math.max(0, memory.usage - droppable));
  add('limit', memory.limit ?? 0);
  add('processes', pids.current);
  add('start', Date.parse(info.state.startedAt) / 1000);
  for (const [name, counters] of Object.entries(networks)) {
    found.received.push({ labels: { ...labels, interface: name }, value: counters.rxBytes });
    found.sent.push({ labels: { ...labels, interface: name }, value: counters.txBytes });
  }
}

function labelsOf({ id, name, config }: ContainerInfo): Readonly<Record<string, string>> {
  return { id, name, image: config.Image ?? '' };
}

function countEvents(set: MetricSet, events: MeasuredAgent['events']): void {
  const counter = set.counter({
    name: 'berth_agent_events_total',
    help: 'Events of `docker events`, by type and action; a container ends by `die`.',
  });
  events.subscribe(({ type, action }: EngineEvent) => {
    // Actions of commands continue after a colon.
    const [word = ''] = action.split(':');
    counter.with({ type, action: word }).value += 1;
  });
}
