import type { EndpointSettings } from '../networks/network.ts';
import type { Container, ContainerConfig, HostConfig } from './container.ts';

/** What a client asks of `create`; fields that it left out have the Engine API's defaults. */
export interface CreateRequest {
  /** Undefined: the agent invents one. */
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

/** One client at a container's terminal or pipes. */
export interface Attachment {
  /** What the container writes from the moment of attaching; ends after its last byte when the container ends. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Bytes for the container's stdin, in order; may be called before the container starts. */
  write(data: Uint8Array): Promise<void>;
  /** The client's half-close: end of file for the container when it was created with StdinOnce. */
  endInput(): void;
  /** Leaves; the container goes on. */
  close(): void;
}

export interface LogLine {
  readonly stream: OutputStream;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly timestamp: string;
  /** With its line feed, where the container wrote one. */
  readonly data: Uint8Array;
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Last lines only; undefined is all. */
  readonly tail?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  readonly exitCode: number;
  /** Why the container could not be waited for or started. */
  readonly error?: string;
}

/**
 * The containers of this host. `ref` is an ID, a unique prefix of one, or a name with or without its slash;
 * one that is not there: EngineError 'not-found' (`No such container: x`). Events go to the EventBus.
 */
export interface Containers {
  /** Throws EngineError 'bad-request', 'conflict' (name taken), 'not-found' (no such image), 'not-implemented'. */
  create(request: CreateRequest): Promise<CreateResult>;
  /**
   * Answers once the container's process runs. Already running: EngineError 'not-modified'. A command that is
   * missing or not executable: EngineError 'bad-request' whose message holds `executable file not found in
   * $PATH` or `permission denied`, state exited with 127 or 126, waiters answered, and removed on AutoRemove.
   */
  start(ref: string): Promise<void>;
  /** Stop signal, then KILL after `timeout` seconds (undefined: the container's, else 10; -1: never). 'not-modified' when it does not run. */
  stop(ref: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void>;
  /**
   * Stops it, where it runs, and starts it. One that is removed when it ends is kept. Throws as `start` does, never
   * 'not-modified'.
   */
  restart(ref: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void>;
  /** `signal` by name, with or without SIG, or number. 'conflict' when it does not run. */
  kill(ref: string, signal: string): Promise<void>;
  /** 'conflict' while it runs, unless `force`. */
  remove(ref: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  /** Registered when the call returns: what happens after it is seen. The promise inside settles at the condition. */
  wait(
    ref: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly result: Promise<WaitResult> }>;
  attach(
    ref: string,
    options: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
  ): Promise<Attachment>;
  /** Ends at the end of the log, or with `follow` when the container ends; `signal` stops it. */
  logs(ref: string, options: LogOptions, signal: AbortSignal): Promise<AsyncIterable<LogLine>>;
  /** Terminal size. 'conflict' when it does not run. */
  resize(ref: string, size: { readonly rows: number; readonly columns: number }): Promise<void>;
  /** Puts a container into a further network, at once where it runs. Throws EngineError 'not-found', 'forbidden', 'bad-request'. */
  connect(ref: string, network: string, settings: EndpointSettings): Promise<void>;
  /** Takes a container out of a network. Throws EngineError 'not-found', 'forbidden'. */
  disconnect(ref: string, network: string): Promise<void>;
  get(ref: string): Promise<Container>;
  /** Newest first. */
  list(): Promise<readonly Container[]>;
}

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
