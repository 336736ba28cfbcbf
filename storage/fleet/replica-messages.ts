import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';

/** Milliseconds between polls: after a message, while something is open (at most), and otherwise. */
const SOON = 10;
const OPEN = 100;
const IDLE = 1_000;
/** Messages of one statement. */
const AT_ONCE = 200;
/** Milliseconds between removals of unfetched messages, and the seconds after which they are removed. */
const CLEAR = 60_000;
const LIFE = 120;

export interface ReplicaMessage {
  /** The other replica: the receiver, or the sender. */
  readonly replica: string;
  readonly channel: string;
  readonly kind: string;
  readonly payload: Buffer;
}

/** Listens to other replicas. */
export interface ReplicaListener {
  /** Handles a message, in the order of its sender. */
  received(message: ReplicaMessage): void;
  /** Reports whether an answer is pending: then messages are polled more often. */
  readonly isOpen: () => boolean;
  /** Handles a failure of the database: messages may be lost. */
  failed(error: unknown): void;
}

interface Row {
  readonly id: number | string;
  readonly sender: string;
  readonly channel: string;
  readonly kind: string;
  readonly payload: Buffer;
}

/**
 * Messages between the registries of one PostgreSQL database, which may have no other connection. They are rows of a
 * table, so no other user of the database reads or writes them, and any connection pooler works. Each is delivered
 * once; messages for an ended replica are dropped.
 */
export class ReplicaMessages {
  /** Name of this process among the replicas. */
  readonly self = randomUUID();
  readonly #knex: Knex;
  readonly #outgoing: ReplicaMessage[] = [];
  #sending: Promise<void> | undefined;
  #listener: ReplicaListener | undefined;
  #wake: (() => void) | undefined;
  #hasSent = false;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** Queues a message after the earlier ones. */
  send(message: ReplicaMessage): void {
    this.#outgoing.push(message);
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
    this.#hasSent = true;
    this.#wake?.();
  }

  /** Passes messages to `listener` until `signal` aborts; resolves then. */
  async listen(listener: ReplicaListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    let wait = IDLE;
    let clearAt = performance.now() + CLEAR;
    while (!signal.aborted) {
      try {
        const rows = await this.#fetch();
        for (const { sender, channel, kind, payload } of rows) {
          listener.received({ replica: sender, channel, kind, payload });
        }
        if (performance.now() > clearAt) {
          clearAt = performance.now() + CLEAR;
          await this.#clear();
        }
        if (rows.length > 0 || this.#hasSent) wait = SOON;
        else wait = Math.min(2 * wait, listener.isOpen() ? OPEN : IDLE);
      } catch (error) {
        listener.failed(error);
        wait = IDLE;
      }
      this.#hasSent = false;
      if (!signal.aborted) await this.#pause(wait, signal);
    }
    await this.#sending;
  }

  async #fetch(): Promise<readonly Row[]> {
    const { rows } = await this.#knex.raw<{ rows: Row[] }>(
      `delete from replica_messages where id in
         (select id from replica_messages where recipient = ? order by id limit ${AT_ONCE})
       returning id, sender, channel, kind, payload`,
      [this.self],
    );
    return rows.toSorted((a, b) => Number(a.id) - Number(b.id));
  }

  async #clear(): Promise<void> {
    await this.#knex.raw(
      `delete from replica_messages where sent_at < clock_timestamp() - interval '${LIFE} seconds'`,
    );
  }

  async #sendAll(): Promise<void> {
    while (this.#outgoing.length > 0) {
      const batch = this.#outgoing.splice(0, AT_ONCE);
      try {
        await this.#knex('replica_messages').insert(
          batch.map(({ replica, ...message }) => ({ ...message, recipient: replica, sender: this.self })),
        );
      } catch (error) {
        this.#outgoing.length = 0;
        this.#listener?.failed(error);
      }
    }
  }

  #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
    });
  }
}
