import type { Attachment } from '../containers.ts';

/** A command to run in a running container, with the options of `docker exec`. */
export interface ExecRequest {
  /** Must not be empty. */
  readonly cmd: readonly string[];
  /** As in `--user`; '' means the container's own. */
  readonly user: string;
  /** Overrides the container's own variables. */
  readonly env: readonly string[];
  /** '' means the container's own. */
  readonly workingDir: string;
  readonly tty: boolean;
  /** Whether it has every capability that the agent can pass on. */
  readonly privileged: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  /** The keys that detach a client at a terminal; '' means `ctrl-p,ctrl-q`. */
  readonly detachKeys: string;
  /** Initial terminal size, unless the start sets another. */
  readonly size?: TerminalSize;
}

/** An exec: a further command in a container. */
export interface Exec {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  readonly running: boolean;
  /** Undefined until it has exited; 126 if it could not be started. */
  readonly exitCode: number | undefined;
  /** Why it could not be started. */
  readonly failure?: string;
  /** PID in the host's pid namespace; 0 while it is not running. */
  readonly pid: number;
}

/** The size of a terminal. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A command that the agent itself runs in a container, such as a probe. */
export interface ExecRun {
  readonly cmd: readonly string[];
  readonly user?: string;
  readonly env?: readonly string[];
  readonly workingDir?: string;
  /** Milliseconds until it is killed; undefined means no timeout. */
  readonly timeout?: number;
  /** Maximum bytes of output to keep, from its start; 4096 by default. */
  readonly maxOutput?: number;
}

export interface ExecOutcome {
  /** 126 if it could not be started; `output` gives the reason. */
  readonly exitCode: number;
  /** stdout and stderr in the order of arrival. */
  readonly output: string;
  /** Whether it was killed by its timeout. */
  readonly timedOut: boolean;
}

/**
 * Further commands in running containers. `ref` is a container as in Containers, `id` an exec; an unknown one throws
 * EngineError 'not-found'. Each exec publishes the events exec_create, exec_start and exec_die. A container that exits ends
 * its execs. A limited number of exited ones is remembered.
 */
export interface Execs {
  /** Returns the ID. Throws EngineError 'bad-request', and 'conflict' for a container that does not run or is paused. */
  create(ref: string, request: ExecRequest): Promise<string>;
  /**
   * Resolves once it is certain to start; the client's streams follow when it runs. So a client may get the answer
   * before the first output, as some clients discard output in the same packet. A command that cannot be run is not an
   * error here, as with dockerd: the message is the output and the exit code is 126. A client that leaves does not end
   * it. Throws EngineError 'conflict' when it was started before, or its container is not running.
   */
  start(
    id: string,
    options: { readonly size?: TerminalSize },
  ): Promise<{ readonly attachment: Promise<Attachment> }>;
  /**
   * Starts it without streams; resolves once it runs. Throws EngineError as `start`, and when the command cannot be
   * run.
   */
  startDetached(id: string, options: { readonly size?: TerminalSize }): Promise<void>;
  /** Sets the current or initial size of its terminal. Throws EngineError 'conflict' when it has ended. */
  resize(id: string, size: TerminalSize): Promise<void>;
  /** Sends SIGHUP to its process group; does nothing when it is not running. */
  hangUp(id: string): void;
  get(id: string): Promise<Exec>;
  /** Returns the IDs of a container's execs that have not exited, in order of creation. */
  listIds(containerId: string): readonly string[];
  /**
   * Creates one, runs it to its end and returns the result. On a timeout or when `signal` aborts, it gets SIGKILL, as
   * with dockerd, and the call does not wait for its end: it returns `timedOut`, or rejects with the signal's reason.
   */
  run(ref: string, command: ExecRun, signal: AbortSignal): Promise<ExecOutcome>;
  /**
   * Ends all execs with streams, and resolves when they have ended: no client could reach them any more. Others
   * continue.
   */
  close(): Promise<void>;
}
