import type { Writable } from 'node:stream';
import type { Identity } from '../../auth/access/access.ts';
import type { FeedEvent } from './feed-event.ts';

/** Maximum unread bytes of a reader, who is cut off beyond them. */
const MOST_UNREAD = 64 * 1024;
/** Time until a client reconnects, ms: random between this and twice this, so that not all arrive at once. */
const RETRY = 2_000;

/** Reports whether a reader may see an event. */
export type Sight = (event: FeedEvent) => boolean;

/** Facts about a reader when the answer begins. */
export interface ReaderTerms {
  readonly identity: Identity;
  /**
   * Returns the current identity by the same credentials; undefined when these are no longer valid. Throws when that
   * cannot be checked.
   */
  identify(): Promise<Identity | undefined>;
  sightOf(identity: Identity): Sight;
  /** Whether the reader has requested such events. */
  isAsked(event: FeedEvent): boolean;
  /** The ID of the last event that the reader received. */
  readonly lastId: string | undefined;
  readonly body: Pick<
    Writable,
    'write' | 'end' | 'destroy' | 'once' | 'off' | 'writableLength' | 'writableNeedDrain'
  >;
}

/** A reader of events. */
export class EventReader {
  readonly #terms: ReaderTerms;
  readonly #ended = Promise.withResolvers<void>();
  #sight: Sight;
  /** Time of the last check of the credentials, ms. */
  checkedAt = performance.now();
  writtenAt = performance.now();
  /** Whether the reader receives events as they happen. */
  isLive = false;
  hasEnded = false;
  /** The entry of the audit up to which the reader has received everything. */
  after = 0;

  constructor(terms: ReaderTerms) {
    this.#terms = terms;
    this.#sight = terms.sightOf(terms.identity);
  }

  get lastId(): string | undefined {
    return this.#terms.lastId;
  }

  /** Resolves when the stream has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  begin(): void {
    this.write(`retry: ${Math.round(RETRY * (1 + Math.random()))}\n\n`);
  }

  goLive(after: number): void {
    this.after = after;
    this.isLive = true;
  }

  /** Reports whether the reader has requested an event, and may see it. */
  wants(event: FeedEvent): boolean {
    return !this.hasEnded && this.#terms.isAsked(event) && this.#sight(event);
  }

  /** Returns the reader's current rights; undefined when the credentials are no longer valid, or have another owner. */
  async identify(): Promise<Identity | undefined> {
    const before = this.#terms.identity;
    const identity = await this.#terms.identify();
    if (identity === undefined || identity.kind !== before.kind) return undefined;
    this.#sight = this.#terms.sightOf(identity);
    this.checkedAt = performance.now();
    return identity;
  }

  /** Writes events; a reader that is too slow is disconnected. */
  write(text: string): void {
    if (this.hasEnded || text === '') return;
    const { body } = this.#terms;
    if (body.writableLength > MOST_UNREAD) this.end();
    else body.write(text);
    this.writtenAt = performance.now();
  }

  /** Resolves when everything written was read, or the stream has ended. */
  async drained(): Promise<void> {
    const { body } = this.#terms;
    if (this.hasEnded || !body.writableNeedDrain) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    body.once('drain', resolve);
    await Promise.race([promise, this.ended]);
    body.off('drain', resolve);
  }

  /** Ends the stream; one with unread bytes would never end, and is cut. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.isLive = false;
    const { body } = this.#terms;
    if (body.writableNeedDrain) body.destroy();
    else body.end();
    this.#ended.resolve();
  }
}
