import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { threadHasLoaded } from '../threads/start-thread.ts';
import type { Libc } from './libc.ts';
import { POLLIN, type Watched, waitForEvents } from './poll.ts';

/** Bytes on their way, which go on when something happens to a descriptor. */
export interface Transfer {
  readonly watched: Watched;
  /** By the clock of performance.now(); absent: it waits for ever. */
  readonly deadline?: number | undefined;
  /** Moves what can be moved without waiting, so much that others get their turn too. */
  takeTurn(): void;
  /** The deadline has passed and nothing has happened. */
  onDeadline?(): void;
  /** Lets go of its descriptors, and tells how far it has come. */
  end(): void;
}

/**
 * What a thread does that moves bytes and never returns to its event loop: it sleeps in poll(2) over the descriptors of
 * all its transfers, which do not block, and the eventfd by which the main thread says that there are commands. So any
 * number of slow peers costs one thread.
 */
export class TransferLoop<Command> {
  readonly #libc: Libc;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #transfers = new Map<number, Transfer>();
  #stopped = false;

  /** `wakeFd` is an eventfd that is written to after each message to `port`. */
  constructor(libc: Libc, port: MessagePort, wakeFd: number) {
    this.#libc = libc;
    this.#port = port;
    this.#wakeFd = wakeFd;
  }

  /** Blocks the thread until `stop` is called. */
  run(obey: (command: Command) => void): void {
    threadHasLoaded();
    while (!this.#stopped) {
      const transfers = [...this.#transfers.values()];
      const deadline = Math.min(
        ...transfers.map((transfer) => transfer.deadline ?? Number.POSITIVE_INFINITY),
      );
      const [commanded, ...ready] = waitForEvents(
        this.#libc,
        [{ fd: this.#wakeFd, events: POLLIN }, ...transfers.map(({ watched }) => watched)],
        deadline === Number.POSITIVE_INFINITY
          ? undefined
          : Math.max(0, Math.ceil(deadline - performance.now())),
      );
      transfers.forEach((transfer, index) => {
        if (ready[index]) transfer.takeTurn();
        else if (transfer.deadline !== undefined && transfer.deadline <= performance.now())
          transfer.onDeadline?.();
      });
      if (commanded) this.#obeyAll(obey);
    }
  }

  begin(key: number, transfer: Transfer): void {
    this.#transfers.set(key, transfer);
  }

  /** To be called by a transfer that has ended. */
  forget(key: number): void {
    this.#transfers.delete(key);
  }

  /** Ends a transfer before its time; nothing when it has ended. */
  cancel(key: number): void {
    this.#transfers.get(key)?.end();
  }

  /** Ends all transfers, and the loop. */
  stop(): void {
    this.#stopped = true;
    for (const transfer of this.#transfers.values()) transfer.end();
  }

  #obeyAll(obey: (command: Command) => void): void {
    this.#libc.drain(this.#wakeFd);
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: Command } | undefined;
      if (received === undefined) return;
      obey(received.message);
    }
  }
}
