import type { Attachment } from '../containers.ts';

/** What a client asks to be run in a container that runs; field by field what `docker exec` has. */
export interface ExecRequest {
  /** Not empty. */
  readonly cmd: readonly string[];
  /** As `--user` has it; '' is the container's own. */
  readonly user: string;
  /** Set over the container's own variables. */
  readonly env: readonly string[];
  /** '' is the container's own. */
  readonly workingDir: string;
  readonly tty: boolean;
  /** With every capability that the agent can hand on. */
  readonly privileged: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  /** The keys by which a client at a terminal leaves, such as `ctrl-p,ctrl-q`; '' is those. */
  readonly detachKeys: string;
  /** With which its terminal begins, unless the start says another. */
  readonly size?: TerminalSize;
}

/** A command in a container, from its creation on. */
export interface Exec {
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecRequest;
  readonly running: boolean;
  /** Undefined until it has ended; 126 when it could not be started. */
  readonly exitCode: number | undefined;
  /** In the host's pid namespace; 0 while it does not run. */
  readonly pid: number;
}

/** How a terminal begins, and what a client changes it to. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A command that the agent itself runs in a container, such as a health check. */
export interface ExecRun {
  readonly cmd: readonly string[];
  readonly user?: string;
  readonly env?: readonly string[];
  readonly workingDir?: string;
  /** Milliseconds until it is ended; undefined is never. */
  readonly timeout?: number;
  /** Bytes that are kept of what it writes, the first ones; 4096 unless given. */
  readonly maxOutput?: number;
}

export interface ExecOutcome {
  /** 126 when it could not be started: `output` says why. */
  readonly exitCode: number;
  /** stdout and stderr as they came. */
  readonly output: string;
  /** It was ended since its time was up. */
  readonly timedOut: boolean;
}

/**
 * Further commands in containers that run. `ref` is a container as in Containers, `id` an exec; one that is not there is
 * EngineError 'not-found'. Each tells of itself by the events exec_create, exec_start and exec_die. A container that ends
 * takes its execs with it. What has ended is remembered for a while, in bounded number.
 */
export interface Execs {
  /** Answers the ID. Throws EngineError 'bad-request', and 'conflict' for a container that does not run or is paused. */
  create(ref: string, request: ExecRequest): Promise<string>;
  /**
   * Answers once it is sure to be started; the client's end of its streams follows when it runs. A client may so be told
   * before the first output, as some read no further than what they are told in. That the command cannot be run is no error here, as with
   * dockerd: the text comes as output and the exit code is 126. A client that leaves does not end it. Throws EngineError
   * 'conflict' when it was started before, or its container does not run.
   */
  start(
    id: string,
    options: { readonly size?: TerminalSize },
  ): Promise<{ readonly attachment: Promise<Attachment> }>;
  /** Starts it without streams; answers once it runs. Throws EngineError as `start`, and where the command cannot be run. */
  startDetached(id: string, options: { readonly size?: TerminalSize }): Promise<void>;
  /** 'conflict' when it does not run. */
  resize(id: string, size: TerminalSize): Promise<void>;
  get(id: string): Promise<Exec>;
  /** Those of a container that have not ended, in the order of their making. */
  listIds(containerId: string): readonly string[];
  /**
   * Creates one, runs it to its end and answers how that was. When the time is up or `signal` aborts, it gets SIGKILL, as with
   * dockerd; the call does not wait for its end: it answers `timedOut`, or rejects with the signal's reason.
   */
  run(ref: string, command: ExecRun, signal: AbortSignal): Promise<ExecOutcome>;
  /** Ends all that have streams, and answers when they are gone: nobody could reach them any more. Others go on. */
  close(): Promise<void>;
}
