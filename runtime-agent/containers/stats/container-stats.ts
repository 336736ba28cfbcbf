import type { CgroupUsage } from '../../../lib/linux/cgroups/cgroup-usage.ts';
import type { InterfaceCounters } from '../../../lib/linux/network/network-counters.ts';

/** What a running container uses at one moment. */
export interface StatsSample extends CgroupUsage {
  readonly readAt: Date;
  /** Nanoseconds that all processors of the host have spent, idle ones too. */
  readonly systemCpu: number;
  readonly onlineCpus: number;
  /** By interface; absent where the network is not the container's own. */
  readonly networks?: Readonly<Record<string, InterfaceCounters>>;
}

/** What ps(1) says of a container's processes. */
export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/** What goes on inside containers. `ref` is as in Containers. */
export interface ContainerStats {
  /** Undefined when it does not run. */
  sample(ref: string): Promise<StatsSample | undefined>;
  /**
   * Runs the host's ps with `psArgs`, as one text like `-o pid,comm`, and keeps the container's rows; pids are the host's.
   * Throws EngineError 'conflict' when it does not run, 'bad-request' for arguments that hide the pid, 'runtime' for those
   * that ps does not take.
   */
  top(ref: string, psArgs: string, signal: AbortSignal): Promise<ProcessTable>;
}
