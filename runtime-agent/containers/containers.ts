import type { EndpointSettings } from '../networks/network.ts';
import type { ContainerConfig, ContainerInfo } from './container-info.ts';
import type { HostConfig } from './host-config.ts';

/** A request to create a container. Fields that the client omits have the Engine API's defaults. */
export interface CreateRequest {
  /** Undefined: the agent generates a name. */
  readonly name?: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** By name or ID; the network of NetworkMode need not be among them. */
  readonly networks?: Readonly<Record<string, EndpointSettings>>;
  readonly platform?: string;
}

export interface CreateResult {
  readonly id: string;
  readonly warnings: readonly string[];
}

export type OutputStream = 'stdout' | 'stderr';

export interface OutputChunk {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
}

/** A client attached to a container's terminal or pipes. */
export interface Attachment {
  /** Output from the moment of attaching; ends after the last byte when the container exits. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Bytes for the container's stdin, in order; may be called before the container starts. */
  write(data: Uint8Array): Promise<void>;
  /** Half-closes the client's side: end of file for the container if it was created with StdinOnce. */
  endInput(): void;
  /** Detaches; the container keeps running. */
  close(): void;
}

export interface LogLine {
  readonly stream: OutputStream;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly timestamp: string;
  /** Includes the line feed if the container wrote one. */
  readonly data: Uint8Array;
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Number of last lines; undefined: all. */
  readonly tail?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  readonly exitCode: number;
  /** Why waiting or starting failed. */
  readonly error?: string;
}

/**
 * The containers of this host. `ref` is an ID, a unique prefix of one, or a name with or without its slash; an unknown one
 * throws EngineError 'not-found' (`No such container: x`). Events go to the EventBus.
 */
export interface Containers {
  /** Throws EngineError 'bad-request', 'conflict' (name taken), 'not-found' (no such image), 'not-implemented'. */
  create(request: CreateRequest): Promise<CreateResult>;
  /**
   * Resolves once the container's process runs. Throws EngineError 'not-modified' if it runs already, and 'bad-request' for
   * a command that is missing or not executable: the message holds `executable file not found in $PATH` or `permission
   * denied`, the container has exited with 127 or 126, waiters are notified, and AutoRemove removes it.
   */
  start(ref: string): Promise<void>;
  /**
   * Sends the stop signal, then KILL after `timeout` seconds (undefined: the container's, else 10; -1: never). Throws
   * EngineError 'not-modified' when it does not run.
   */
  stop(ref: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void>;
  /**
   * Stops the container if it runs, and starts it; AutoRemove does not remove it in between. Throws as `start` does, but
   * never 'not-modified'.
   */
  restart(ref: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void>;
  /**
   * Sends a signal, given by name with or without SIG, or by number. Throws EngineError 'conflict' when it does not run.
   */
  kill(ref: string, signal: string): Promise<void>;
  /** Throws EngineError 'conflict' while it runs, unless `force`. */
  remove(ref: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  /** Registers a waiter, which misses nothing after the call returns; `result` settles when the condition is met. */
  wait(
    ref: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly result: Promise<WaitResult> }>;
  attach(
    ref: string,
    options: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
  ): Promise<Attachment>;
  /** Reads the log to its end, or with `follow` until the container exits or `signal` aborts. */
  logs(ref: string, options: LogOptions, signal: AbortSignal): Promise<AsyncIterable<LogLine>>;
  /** Sets the terminal size. Throws EngineError 'conflict' when it does not run. */
  resize(ref: string, size: { readonly rows: number; readonly columns: number }): Promise<void>;
  /**
   * Connects a container to another network, immediately if it runs. Throws EngineError 'not-found', 'forbidden',
   * 'bad-request'.
   */
  connect(ref: string, network: string, settings: EndpointSettings): Promise<void>;
  /** Disconnects a container from a network. Throws EngineError 'not-found', 'forbidden'. */
  disconnect(ref: string, network: string): Promise<void>;
  get(ref: string): Promise<ContainerInfo>;
  /** Newest first. */
  list(): Promise<readonly ContainerInfo[]>;
}

/** Fields of HostConfig that `docker update` changes; 0 and '' leave them as they are. */
export const CHANGEABLE_NUMBERS = [
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpuShares',
  'Memory',
  'MemoryReservation',
  'MemorySwap',
  'NanoCpus',
] as const;
export const CHANGEABLE_TEXTS = ['CpusetCpus', 'CpusetMems'] as const;

type Changeable = (typeof CHANGEABLE_NUMBERS)[number] | (typeof CHANGEABLE_TEXTS)[number];

/** Changes of `docker update`. Absent fields keep their values. */
export type ResourceChanges = Partial<Pick<HostConfig, Changeable | 'PidsLimit' | 'RestartPolicy'>> & {
  /** 10 to 1000. */
  readonly BlkioWeight?: number;
};

/**
 * Changes to an existing container other than starting and stopping it. `ref` is as in Containers; each call except
 * `unlink` and `setReady` publishes an event of its name.
 */
export interface ContainerControl {
  /** Pauses all processes. Throws EngineError 'conflict' when the container does not run or is paused already. */
  pause(ref: string): Promise<void>;
  /** Resumes all processes. Throws EngineError 'runtime' when the container is not paused, as dockerd does. */
  unpause(ref: string): Promise<void>;
  /** Renames the container, in its networks too. Throws EngineError 'bad-request', or 'conflict' when the name is taken. */
  rename(ref: string, name: string): Promise<void>;
  /**
   * Makes other containers resolve this one's names, unless another one has them, or stops that. Publishes no event.
   */
  setReady(ref: string, isReady: boolean): Promise<void>;
  /**
   * Removes the link `PARENT/ALIAS` of the default network, also from the parent's /etc/hosts. Throws EngineError
   * 'not-found', or 'conflict' if `ref` names a container.
   */
  unlink(ref: string): Promise<void>;
  /**
   * Changes limits and restart policy, including those of the current run. Returns warnings. Throws EngineError
   * 'bad-request', or 'conflict' for limits that contradict the current ones; then nothing has changed.
   */
  update(ref: string, changes: ResourceChanges): Promise<readonly string[]>;
}
