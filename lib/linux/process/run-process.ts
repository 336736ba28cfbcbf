import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Options of a run; omitted ones are inherited, or unlimited. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes for stdin, or its descriptor; /dev/null by default. */
  readonly input?: Uint8Array | number;
  /** Descriptors passed as 3, 4 … */
  readonly descriptors?: readonly number[];
  /** Milliseconds until it is killed. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  /** Maximum bytes kept of stdout and of stderr each, from the start; 1 MiB by default. */
  readonly maxOutput?: number;
}

/** How a program ended. */
export interface RunResult {
  /** 128 plus the signal's number when a signal ended it, as in shells. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/**
 * Runs a program without a shell and waits for its end, whatever its exit code. Rejects when it cannot be started
 * (Error with `code` ENOENT, EACCES …), and with the signal's reason when that aborts; the program is then dead.
 */
export function runProcess(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const input = options.input;
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      stdio: [
        typeof input === 'number' ? input : input === undefined ? 'ignore' : 'pipe',
        'pipe',
        'pipe',
        ...(options.descriptors ?? []),
      ],
    });
    const stdout = collect(child.stdout, options.maxOutput);
    const stderr = collect(child.stderr, options.maxOutput);
    let timedOut = false;
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill('SIGKILL');
          }, options.timeout);
    const abort = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', abort, { once: true });
    const release = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    child.once('error', (error) => {
      release();
      reject(error);
    });
    child.once('close', (code, endedBy) => {
      release();
      if (signal?.aborted === true) reject(signal.reason);
      else {
        resolve({
          exitCode: code ?? 128 + signalNumber(endedBy),
          signal: endedBy,
          stdout: stdout(),
          stderr: stderr(),
          timedOut,
        });
      }
    });
    if (child.stdin !== null) {
      // A program may end without reading its input; its exit code tells more than the broken pipe.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    }
  });
}

function collect(stream: NodeJS.ReadableStream | null, limit = 1 << 20): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (length < limit) chunks.push(chunk.subarray(0, limit - length));
    length += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name];
}
