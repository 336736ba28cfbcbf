import { readdirSync } from 'node:fs';
import { readVersion } from '../files/version.ts';
import { descriptorLimit } from '../linux/descriptor-limit.ts';
import type { MetricSet } from './metric-set.ts';

/** Adds `berth_build_info`, and the process metrics of Prometheus' own clients, under the same names. */
export function exposeProcess(set: MetricSet): void {
  set.sampled(
    { info: { name: 'berth_build_info', help: 'Always 1; the labels are the running versions.' } },
    async () => ({
      info: [{ labels: { version: await readVersion(), node: process.versions.node }, value: 1 }],
    }),
  );
  set.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory.' }, () =>
    process.memoryUsage.rss(),
  );
  set.gauge(
    { name: 'process_cpu_seconds_total', help: 'User and system time of the process.' },
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    'counter',
  );
  set.gauge(
    { name: 'process_start_time_seconds', help: 'Start time of the process, in seconds since 1970.' },
    () => performance.timeOrigin / 1000,
  );
  set.gauge(
    { name: 'process_open_fds', help: 'Open descriptors.' },
    () => readdirSync('/proc/self/fd').length,
  );
  set.gauge({ name: 'process_max_fds', help: 'Maximum open descriptors.' }, descriptorLimit);
}
