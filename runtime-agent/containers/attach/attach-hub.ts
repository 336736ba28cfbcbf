import { closeSync, writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { type Libc, loadLibc } from '../../../lib/linux/libc.ts';
import { startThread } from '../../../lib/threads/start-thread.ts';
import { EngineError } from '../../errors.ts';
import type { AttachCommand, AttachReport, AttachWorkerData } from './attach-messages.ts';
import { type AttachLink, AttachSession, type InputPolicy } from './attach-session.ts';

/** The program of the thread. */
const ATTACH_WORKER = new URL('./attach-worker.ts', import.meta.url);

/** The thread has ended unexpectedly, with all its clients. */
export class AttachThreadError extends EngineError {
  constructor(cause: Error) {
    super(
      'runtime',
      `the thread that serves attached clients failed (${cause.message}): try again, which starts a new one`,
      { cause },
    );
    this.name = 'AttachThreadError';
  }
}

interface AttachThreadOptions {
  /** Receives the thread's reports in order. */
  readonly onReport: (report: AttachReport) => void;
  /** Called once, when the thread has ended without `close`. */
  readonly onFailure: (error: AttachThreadError) => void;
  readonly libc?: Libc;
  readonly file?: URL;
}

/** The thread that holds the attach sockets, as seen by the rest of the agent. */
class AttachThread {
  readonly #worker: Worker;
  readonly #wakeFd: number;
  readonly #one = new Uint8Array(new BigUint64Array([1n]).buffer);
  readonly #ended: Promise<void>;
  // Node waits for its threads at exit, and this one sleeps until it gets a command.
  readonly #onExit = () => this.command({ kind: 'stop' });
  #isOver = false;

  constructor({ onReport, onFailure, libc = loadLibc(), file = ATTACH_WORKER }: AttachThreadOptions) {
    this.#wakeFd = libc.eventfd();
    if (this.#wakeFd < 0) throw new Error(`eventfd(2) failed with error number ${libc.errno()}`);
    const workerData: AttachWorkerData = { wakeFd: this.#wakeFd };
    this.#worker = startThread(file, workerData);
    process.once('exit', this.#onExit);
    this.#worker.on('message', onReport);
    let reason = new Error('it ended');
    this.#worker.on('error', (error) => {
      reason = error as Error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        process.off('exit', this.#onExit);
        closeSync(this.#wakeFd);
        const failed = !this.#isOver;
        this.#isOver = true;
        resolve();
        if (failed) onFailure(new AttachThreadError(reason));
      });
    });
    // Last, because each listener makes Node wait for the thread again.
    this.#worker.unref();
  }

  command(command: AttachCommand, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#isOver) return;
    this.#worker.postMessage(command, [...transfer]);
    writeSync(this.#wakeFd, this.#one);
  }

  /** Closes every socket and ends the thread. */
  async close(): Promise<void> {
    this.command({ kind: 'stop' });
    this.#isOver = true;
    this.#worker.ref();
    await this.#ended;
  }
}

const STALL_CHECK = 500;

interface Connected {
  readonly session: AttachSession;
  /** The thread's descriptor, once the connection is open; it outlives a thread that fails. */
  fd: number | undefined;
}

/**
 * The clients attached to this agent's containers. Starts the thread that serves them for the first client. When the thread
 * fails, its clients get an error, and the next client starts a new one.
 */
export class AttachHub {
  readonly #log: Logger;
  readonly #worker: URL;
  readonly #link: AttachLink;
  /** The connections, by key. */
  readonly #connected = new Map<number, Connected>();
  readonly #timer: NodeJS.Timeout;
  #thread: AttachThread | undefined;
  #nextKey = 1;

  /** `worker` is the program of the thread. */
  constructor(log: Logger, worker = ATTACH_WORKER) {
    this.#log = log;
    this.#worker = worker;
    this.#link = {
      prepare: () => {
        this.#thread ??= this.#startThread();
      },
      claim: (session) => {
        this.#link.prepare();
        const key = this.#nextKey++;
        this.#connected.set(key, { session, fd: undefined });
        return key;
      },
      command: (command, transfer) => this.#thread?.command(command, transfer),
      release: (key) => {
        if (this.#connected.delete(key)) this.#thread?.command({ kind: 'close', key });
      },
    };
    this.#timer = setInterval(() => this.#relieve(), STALL_CHECK);
    this.#timer.unref();
  }

  /** Opens a session for one run of a container; `isAlive` returns whether its process still runs. */
  open(input: InputPolicy, isAlive: () => boolean): AttachSession {
    return new AttachSession(this.#link, input, isAlive);
  }

  /** Disconnects every client and ends the thread. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const { session } of [...this.#connected.values()]) session.end();
    await this.#thread?.close();
  }

  #startThread(): AttachThread {
    return new AttachThread({
      file: this.#worker,
      onReport: (report) => this.#take(report),
      onFailure: (error) => this.#fail(error),
    });
  }

  #take(report: AttachReport): void {
    const connected = this.#connected.get(report.key);
    if (connected !== undefined && report.kind === 'opened') connected.fd = report.fd;
    if (report.kind === 'ended') this.#connected.delete(report.key);
    connected?.session.take(report);
  }

  #fail(error: AttachThreadError): void {
    this.#log.error({ err: error }, 'clients that were attached are cut off');
    this.#thread = undefined;
    const cut = [...this.#connected.values()];
    this.#connected.clear();
    for (const { session, fd } of cut) {
      // An open socket that nobody reads may block conmon, and with it the container.
      if (fd !== undefined) closeSync(fd);
      session.fail(error);
    }
  }

  #relieve(): void {
    const now = performance.now();
    for (const { session } of this.#connected.values()) session.relieve(now);
  }
}
