import type { HostConfig } from './container.ts';

/** The limits that `docker update` changes. A field that is left out stays as it is. */
export type ResourceChanges = Partial<
  Pick<
    HostConfig,
    | 'CpuShares'
    | 'CpuPeriod'
    | 'CpuQuota'
    | 'CpuRealtimePeriod'
    | 'CpuRealtimeRuntime'
    | 'CpusetCpus'
    | 'CpusetMems'
    | 'Memory'
    | 'MemoryReservation'
    | 'MemorySwap'
    | 'NanoCpus'
    | 'PidsLimit'
    | 'RestartPolicy'
  >
> & {
  /** 10 to 1000. */
  readonly BlkioWeight?: number;
};

/**
 * What is done to a container that is there, beside starting and ending it. `ref` is as in Containers; each call but `unlink`
 * tells of itself by an event of its name.
 */
export interface ContainerControl {
  /** All its processes stand still until `unpause`. 'conflict' when it does not run, or stands still already. */
  pause(ref: string): Promise<void>;
  /** Throws EngineError 'runtime' when it does not stand still, as dockerd. */
  unpause(ref: string): Promise<void>;
  /** Also for names in networks, at once. Throws EngineError 'bad-request', 'conflict' when the name is taken. */
  rename(ref: string, name: string): Promise<void>;
  /**
   * Takes the link `PARENT/ALIAS` of the default network away, at once from the parent's /etc/hosts too. Throws EngineError
   * 'not-found', 'conflict' where `ref` names a container.
   */
  unlink(ref: string): Promise<void>;
  /**
   * Changes limits and restart policy, at once where it runs, and for later runs. Answers warnings. Throws EngineError
   * 'bad-request', 'conflict' for limits that contradict those that are set; then nothing has changed.
   */
  update(ref: string, changes: ResourceChanges): Promise<readonly string[]>;
}
