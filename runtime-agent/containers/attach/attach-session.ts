import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../errors.ts';
import type { Attachment } from '../containers.ts';
import { type AttachCommand, type AttachReport, OUTPUT_WINDOW } from './attach-messages.ts';
import { AttachmentQueue } from './attachment-queue.ts';

/** How a container treats its stdin. */
export interface InputPolicy {
  /** Whether it has a stdin. */
  readonly open: boolean;
  /** Whether it gets end of file when the client that feeds it leaves. */
  readonly once: boolean;
}

/**
 * The session's link to the thread. Each connection has a key of its own, so that late reports of an earlier one are
 * ignored.
 */
export interface AttachLink {
  /** Announces that a connection will be claimed soon, because there is a client. */
  prepare(): void;
  /** Returns a new key whose reports go to the session. */
  claim(session: AttachSession): number;
  command(command: AttachCommand, transfer?: readonly ArrayBuffer[]): void;
  /** Closes the connection; no further report of it arrives. */
  release(key: number): void;
}

interface Client {
  readonly queue: AttachmentQueue;
  readonly stdin: boolean;
}

interface Send {
  readonly data: Uint8Array;
  readonly done: () => void;
}

/** Milliseconds without progress after which a client is disconnected if others wait for it. */
const PATIENCE = 30_000;

/**
 * The clients of one container. They share one connection to conmon, so that what one client does with its end never
 * closes the stdin of another. The slowest client sets the pace, as with Docker, within PATIENCE and while the container runs.
 */
export class AttachSession {
  readonly #link: AttachLink;
  readonly #input: InputPolicy;
  readonly #isAlive: () => boolean;
  readonly #clients = new Set<Client>();
  readonly #unsent: Send[] = [];
  readonly #sending = new Map<number, () => void>();
  /** `drained`: conmon has gone, the whole output has been received, and its end is not recorded yet. */
  #state: 'idle' | 'connecting' | 'open' | 'drained' | 'ended' = 'idle';
  #connected: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #inputEnded = false;
  #key = 0;
  #sequence = 0;
  #received = 0;
  #acknowledged = 0;
  /** The container has ended: the remaining output is received even if clients are slow. */
  #takesAll = false;
  #whenEnded = Promise.withResolvers<void>();

  constructor(link: AttachLink, input: InputPolicy, isAlive: () => boolean) {
    this.#isAlive = isAlive;
    this.#link = link;
    this.#input = input;
  }

  get hasClients(): boolean {
    return this.#clients.size > 0;
  }

  get isConnected(): boolean {
    return this.#state === 'open' || this.#state === 'drained';
  }

  /** Settles when the clients of the current connection have received the whole output, or it is broken. */
  get ended(): Promise<void> {
    return this.#whenEnded.promise;
  }

  /** Connects to conmon's socket; output after this resolves reaches every client. */
  async connect(path: string): Promise<void> {
    if (this.#state !== 'idle') return;
    this.#state = 'connecting';
    this.#whenEnded = Promise.withResolvers();
    this.#key = this.#link.claim(this);
    this.#acknowledged = this.#received;
    await new Promise<void>((resolve, reject) => {
      this.#connected = { resolve, reject };
      this.#link.command({ kind: 'open', key: this.#key, path });
    });
    // A busy conmon may read the container's output before it accepts the connection that should receive it.
    await untilAccepted(path);
  }

  /** Adds a client, which receives the output from now on. */
  join(options: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }): Attachment {
    this.#link.prepare();
    const queue = new AttachmentQueue(this.#received, options, () => this.#acknowledge());
    const client: Client = { queue, stdin: options.stdin && this.#input.open };
    if (this.#state === 'ended') queue.finish();
    else this.#clients.add(client);
    return {
      output: queue,
      write: (data) => this.#write(client, data),
      endInput: () => this.#endInput(client),
      close: () => {
        queue.abandon();
        this.#leave(client);
      },
    };
  }

  /** Takes a report of the thread about this connection. */
  take(report: AttachReport): void {
    if (report.kind === 'opened') this.#opened();
    else if (report.kind === 'sent') {
      this.#sending.get(report.sequence)?.();
      this.#sending.delete(report.sequence);
      this.#disconnectIfUnused();
    } else if (report.kind === 'output') {
      for (const run of report.runs) {
        this.#received += run.data.length;
        for (const client of this.#clients) client.queue.push(run);
      }
      this.#acknowledge();
    } else {
      const error = report.error === undefined ? undefined : new EngineError('runtime', report.error);
      if (error !== undefined) this.#connected?.reject(error);
      this.#drain();
    }
  }

  /**
   * The end of the container is recorded: clients get the queued output, then the end. Programs read the
   * exit code as soon as they see the end.
   */
  end(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'connecting' || this.#state === 'open') this.#link.release(this.#key);
    this.#drain();
    this.#state = 'ended';
    for (const client of this.#clients) client.queue.finish();
  }

  /** Reads the rest of the output: the container will write no more. */
  #drain(): void {
    if (this.#state === 'ended') return;
    this.#state = 'drained';
    this.#connected?.resolve();
    this.#settleSends();
    this.#whenEnded.resolve();
  }

  /**
   * The connection has broken while the container may continue: its clients fail with `error`. Others may connect
   * again, but a stdin that ends with its client has ended.
   */
  fail(error: Error): void {
    if (this.#state === 'drained' || this.#state === 'ended') return;
    this.#state = 'idle';
    this.#connected?.reject(error);
    for (const client of [...this.#clients]) {
      client.queue.abandon(error);
      if (client.stdin && this.#input.once) this.#inputEnded = true;
    }
    this.#clients.clear();
    this.#settleSends();
    this.#whenEnded.resolve();
  }

  /**
   * Called periodically: prevents slow clients from blocking others for longer than PATIENCE, or the end of the
   * container. Output that conmon has not read yet is less than 1 MB, so at the container's end all of it is received.
   */
  relieve(now: number): void {
    if (this.#state !== 'open' || this.#received - this.#acknowledged < OUTPUT_WINDOW) return;
    if (!this.#isAlive()) {
      this.#takesAll = true;
      this.#acknowledge();
      return;
    }
    const waiting = [...this.#clients].filter((client) => client.queue.position === this.#acknowledged);
    if (waiting.length === this.#clients.size) return;
    for (const client of waiting) {
      if (now - client.queue.movedAt < PATIENCE) continue;
      client.queue.abandon(
        new EngineError('runtime', 'the client was too slow to take the container output'),
      );
      this.#leave(client);
    }
  }

  /** Settles sends whose input will never be sent. */
  #settleSends(): void {
    for (const send of this.#unsent.splice(0)) send.done();
    for (const done of this.#sending.values()) done();
    this.#sending.clear();
  }

  #opened(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#connected?.resolve();
    for (const send of this.#unsent.splice(0)) this.#send(send);
    if (this.#inputEnded) this.#link.command({ kind: 'end-input', key: this.#key });
  }

  #write(client: Client, data: Uint8Array): Promise<void> {
    const takesInput =
      client.stdin && !this.#inputEnded && this.#state !== 'drained' && this.#state !== 'ended';
    if (!takesInput || data.length === 0) return Promise.resolve();
    return new Promise((done) => {
      const send = { data: new Uint8Array(data), done };
      if (this.#state === 'open') this.#send(send);
      else this.#unsent.push(send);
    });
  }

  #send({ data, done }: Send): void {
    const sequence = this.#sequence++;
    this.#sending.set(sequence, done);
    this.#link.command({ kind: 'send', key: this.#key, sequence, data }, [data.buffer as ArrayBuffer]);
  }

  #endInput(client: Client): void {
    if (!client.stdin || !this.#input.once || this.#inputEnded || this.#state === 'ended') return;
    this.#inputEnded = true;
    if (this.#state === 'open') this.#link.command({ kind: 'end-input', key: this.#key });
  }

  #leave(client: Client): void {
    if (!this.#clients.delete(client)) return;
    this.#endInput(client);
    this.#acknowledge();
    this.#disconnectIfUnused();
  }

  /** Disconnects from conmon when nobody listens, unless that would close a stdin that must stay open. */
  #disconnectIfUnused(): void {
    const inputMayClose = !this.#input.open || !this.#input.once || this.#inputEnded;
    if (this.#clients.size > 0 || this.#state !== 'open' || !inputMayClose || this.#sending.size > 0) return;
    this.#link.release(this.#key);
    this.#state = 'idle';
    this.#whenEnded.resolve();
  }

  #acknowledge(): void {
    let position = this.#received;
    if (!this.#takesAll) {
      for (const client of this.#clients) position = Math.min(position, client.queue.position);
    }
    const bytes = position - this.#acknowledged;
    if (bytes <= 0 || this.#state !== 'open') return;
    this.#acknowledged = position;
    this.#link.command({ kind: 'consumed', key: this.#key, bytes });
  }
}

/** Maximum milliseconds to wait for accept. */
const ACCEPT_PATIENCE = 5_000;
const PAUSE = 1;

/**
 * Waits until no connection to a unix socket with the file name of `path` is pending: connect(2) succeeds before the
 * server accepts. Only the name is compared, because a server may have bound the socket by another path. Gives up
 * silently after ACCEPT_PATIENCE.
 */
export async function untilAccepted(path: string): Promise<void> {
  const name = basename(path);
  const giveUpAt = performance.now() + ACCEPT_PATIENCE;
  while (hasWaiting(await readFile('/proc/net/unix', 'latin1'), name) && performance.now() < giveUpAt) {
    await sleep(PAUSE);
  }
}

/**
 * Lines are `address: references protocol flags type state inode path`; a pending one has state 02, connecting, without
 * an inode.
 */
function hasWaiting(table: string, name: string): boolean {
  return table
    .split('\n')
    .some((line) => / 02 +0 /.test(line) && basename(line.slice(line.lastIndexOf(' ') + 1)) === name);
}
