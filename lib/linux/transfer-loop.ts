import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { threadHasLoaded } from '../threads/start-thread.ts';
import type { Libc } from './libc.ts';
import { POLLIN, type Watched, waitForEvents } from './poll.ts';

/** A transfer that continues when one of its descriptors is ready. */
export interface Transfer {
  readonly watched: Watched;
  /** On the clock of performance.now(); absent: no deadline. */
  readonly deadline?: number | undefined;
  /** Moves bytes without blocking, and leaves time for other transfers. */
  takeTurn(): void;
  /** Called when the deadline has passed without an event. */
  onDeadline?(): void;
  /** Closes its descriptors, and reports the bytes moved. */
  end(): void;
}

/**
 * The loop of a thread that never returns to its event loop: it sleeps in poll(2) over the non-blocking descriptors of
 * all transfers, and the eventfd by which the main thread announces commands. So any number of slow peers costs one
 * thread.
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

  /** Removes a transfer that has ended. */
  forget(key: number): void {
    this.#transfers.delete(key);
  }

  /** Cancels a transfer; does nothing when it has ended. */
  cancel(key: number): void {
    this.#transfers.get(key)?.end();
  }

  /** Ends all transfers and the loop. */
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
