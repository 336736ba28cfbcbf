import type { CgroupUsage } from '../../../lib/linux/cgroups/cgroup-usage.ts';
import type { InterfaceCounters } from '../../../lib/linux/network/network-counters.ts';

/** The resource usage of a running container at one moment. */
export interface StatsSample extends CgroupUsage {
  readonly readAt: Date;
  /** Nanoseconds of all processors of the host, including idle time. */
  readonly systemCpu: number;
  readonly onlineCpus: number;
  /** Counters by interface; absent unless the network is the container's own. */
  readonly networks?: Readonly<Record<string, InterfaceCounters>>;
}

/** The output of ps(1) for a container's processes. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/** Statistics and processes of containers. `ref` is as in Containers. */
export interface ContainerStats {
  /** Undefined if it is not running. */
  sample(ref: string): Promise<StatsSample | undefined>;
  /**
   * Runs the host's ps with `psArgs`, as one text like `-o pid,comm`, and keeps the container's rows; pids are the
   * host's. Throws EngineError 'conflict' if it is not running, 'bad-request' for arguments that hide the pid,
   * 'runtime' for those that ps refuses.
   */
  top(ref: string, psArgs: string, signal: AbortSignal): Promise<ProcessTable>;
}
