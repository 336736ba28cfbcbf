import type { Logger } from 'pino';
import type { AttachCommand, AttachReport } from './attach-messages.ts';
import { type AttachLink, AttachSession, type InputPolicy } from './attach-session.ts';
import { AttachThread } from './attach-thread.ts';

const STALL_CHECK = 500;

/** All clients that are attached to containers of this agent. */
export class AttachHub {
  readonly #thread: AttachThread;
  readonly #link: AttachLink;
  /** The sessions that are connected, by the key of their connection. */
  readonly #sessions = new Map<number, AttachSession>();
  readonly #timer: NodeJS.Timeout;
  #nextKey = 1;

  constructor(log: Logger) {
    this.#thread = new AttachThread(
      (report) => this.#take(report),
      (error) => {
        log.error({ err: error }, 'the thread that serves attached clients failed; they are cut off');
        for (const key of [...this.#sessions.keys()]) this.#take({ kind: 'ended', key });
      },
    );
    this.#link = {
      claim: (session) => {
        const key = this.#nextKey++;
        this.#sessions.set(key, session);
        return key;
      },
      command: (command: AttachCommand, transfer) => this.#thread.command(command, transfer),
      release: (key) => {
        if (this.#sessions.delete(key)) this.#thread.command({ kind: 'close', key });
      },
    };
    this.#timer = setInterval(() => this.#relieve(), STALL_CHECK);
    this.#timer.unref();
  }

  /** A session for one run of a container; `isAlive` says whether its process still runs. */
  open(input: InputPolicy, isAlive: () => boolean): AttachSession {
    return new AttachSession(this.#link, input, isAlive);
  }

  /** Cuts every client off and ends the thread. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const session of this.#sessions.values()) session.end();
    await this.#thread.close();
  }

  #take(report: AttachReport): void {
    const session = this.#sessions.get(report.key);
    if (report.kind === 'ended') this.#sessions.delete(report.key);
    session?.take(report);
  }

  #relieve(): void {
    const now = Date.now();
    for (const session of this.#sessions.values()) session.relieve(now);
  }
}
