import { closeSync } from 'node:fs';
import type { Logger } from 'pino';
import type { AttachReport } from './attach-messages.ts';
import { type AttachLink, AttachSession, type InputPolicy } from './attach-session.ts';
import { ATTACH_WORKER, AttachThread, type AttachThreadError } from './attach-thread.ts';

const STALL_CHECK = 500;

interface Connected {
  readonly session: AttachSession;
  /** The thread's descriptor, from when the connection is open; it outlives a thread that fails. */
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
  /** What is connected, by the key of the connection. */
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

  /** A session for one run of a container; `isAlive` says whether its process still runs. */
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
      // As long as it is open and nobody reads, conmon and with it the container may have to wait.
      if (fd !== undefined) closeSync(fd);
      session.fail(error);
    }
  }

  #relieve(): void {
    const now = performance.now();
    for (const { session } of this.#connected.values()) session.relieve(now);
  }
}
