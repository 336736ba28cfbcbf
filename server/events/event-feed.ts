import { setMaxListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { HostStore } from '../../fleet/host-store.ts';
import { Semaphore } from '../../lib/sync/semaphore.ts';
import type { AuditCatalog, AuditEvent } from '../../storage/catalog/audit-catalog.ts';
import { DatabaseUnavailableError } from '../../storage/errors.ts';
import { followAudit } from '../audit/audit-lines.ts';
import { pausedFor } from '../background/repeat.ts';
import { RegistryError } from '../errors.ts';
import type { EventIds } from './event-ids.ts';
import { EventReader, type ReaderTerms } from './event-reader.ts';
import { type FeedEvent, feedEventOf } from './feed-event.ts';
import { HostWatch, OF_HOSTS } from './host-watch.ts';
import { type ReaderCounts, ReaderLimits } from './reader-limits.ts';

/** Maximum age of a reader's rights when an event is sent, ms. */
const FRESH = 500;
/** Milliseconds between checks whether a reader without events may still read. */
const RECHECK = 5_000;
const HEARTBEAT = 15_000;
/** Time until it is tried again after the database has failed, ms. */
const AGAIN = 1_000;
/** Readers that are verified, and get missed events, concurrently. */
const CHECKS_AT_ONCE = 8;
const CATCH_UPS_AT_ONCE = 2;
/**
 * Maximum reads of the record for missed events; beyond that the reader reloads. No usual registry has that many events
 * within the lifetime of an ID: more would reveal to readers how many events are hidden from them.
 */
const MISSED_LOOKS = 1000;
const MISSED_AT_ONCE = 100;
const RESET = 'event: reset\ndata: {}\n';

export interface FeedParts {
  readonly audit: Pick<AuditCatalog, 'latest' | 'window'>;
  readonly ids: EventIds;
  /** Absent without hosts. */
  readonly hosts?: Pick<HostStore, 'presence'> | undefined;
  readonly log: Logger;
  readonly limits?: Partial<ReaderCounts>;
  /** Milliseconds of silence after which a comment keeps the connection alive; 15 s by default. */
  readonly heartbeat?: number;
}

/** An event in the format of streams. */
interface Frame {
  /** ID of the entry in the audit. */
  readonly id: number;
  readonly event: FeedEvent;
  readonly text: string;
}

/**
 * Streams of events from the audit: it has the writes of all replicas, in one order. States of hosts are not in it, and
 * are polled separately: those events have no ID, and a resumed stream makes its reader reload the hosts. While there
 * are readers, one query a second serves all of them; each gets only visible events, by rights that are at most half a
 * second old.
 */
export class EventFeed {
  readonly #parts: FeedParts;
  readonly #limits: ReaderLimits;
  readonly #hosts: HostWatch | undefined;
  readonly #readers = new Set<EventReader>();
  readonly #checks = new Semaphore(CHECKS_AT_ONCE);
  readonly #catchUps = new Semaphore(CATCH_UPS_AT_ONCE);
  readonly #closing = new AbortController();
  /** Position up to which live readers have been served, while there are readers. */
  #position: Promise<number> | undefined;
  #served = 0;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.#limits = new ReaderLimits(parts.limits);
    this.#hosts = parts.hosts && new HostWatch(parts.hosts);
    // Every reader may wait for a turn.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Streams that have not ended. */
  get size(): number {
    return this.#limits.size;
  }

  /** Returns an ID such that a reader starting from it misses nothing that happens after this call. */
  async mark(): Promise<string> {
    return this.#parts.ids.seal(await this.#latest());
  }

  /**
   * Counts a reader; returns a function that ends it. Throws RegistryError when there are too many, and once the feed
   * is closed.
   */
  enter(reader: Parameters<ReaderLimits['enter']>[0]): () => void {
    if (this.#closing.signal.aborted) throw new RegistryError('SHUTTING_DOWN');
    return this.#limits.enter(reader);
  }

  /**
   * Serves a reader whose answer has begun. Resolves when the stream has ended; `signal` aborts when the reader has
   * disconnected.
   */
  async serve(terms: ReaderTerms, signal: AbortSignal): Promise<void> {
    const reader = new EventReader(terms);
    const leave = () => reader.end();
    signal.addEventListener('abort', leave, { once: true });
    this.#readers.add(reader);
    try {
      if (signal.aborted || this.#closing.signal.aborted) reader.end();
      reader.begin();
      await this.#follow();
      await this.#catchUp(reader);
      await reader.ended;
    } catch (error) {
      if (!this.#closing.signal.aborted)
        this.#parts.log.warn({ err: error }, 'a stream of events has failed');
    } finally {
      reader.end();
      this.#readers.delete(reader);
      signal.removeEventListener('abort', leave);
    }
  }

  /** Ends all streams, and accepts no more readers. */
  close(): void {
    this.#closing.abort();
    for (const reader of this.#readers) reader.end();
  }

  async #latest(): Promise<string> {
    const [last] = await this.#parts.audit.latest({ limit: 1 });
    return last?.id ?? '0';
  }

  /** Starts following the record; resolves when everything from now on reaches live readers. */
  async #follow(): Promise<void> {
    if (this.#position === undefined) {
      const begun = this.#latest().then(Number);
      this.#position = begun;
      begun.then(
        (position) => {
          this.#served = position;
          void this.#run();
        },
        () => {
          this.#position = undefined;
        },
      );
    }
    await this.#position;
  }

  async #run(): Promise<void> {
    const { audit, log } = this.#parts;
    const { signal } = this.#closing;
    let isFailing = false;
    do {
      try {
        const page = { outcome: 'done', after: String(this.#served) } as const;
        for await (const { events, after, isCurrent } of followAudit(audit, page, signal)) {
          isFailing = false;
          await this.#deliver(events, Number(after));
          if (isCurrent) {
            await this.#tend();
            await this.#tellHosts();
          }
          if (this.#readers.size > 0) continue;
          // Before anything else runs, so that the next reader starts from scratch.
          this.#position = undefined;
          this.#hosts?.forget();
          return;
        }
      } catch (error) {
        if (!isFailing && !signal.aborted) log.error({ err: error }, 'events could not be read');
        isFailing = true;
      }
    } while (await pausedFor(AGAIN, signal));
  }

  async #deliver(entries: readonly AuditEvent[], served: number): Promise<void> {
    const frames = await this.#framesOf(entries);
    // No reader may become live between these two lines: they would get these events twice, or never.
    this.#served = served;
    const live = [...this.#readers].filter((reader) => reader.isLive);
    await Promise.all(live.map((reader) => this.#give(reader, frames)));
  }

  async #framesOf(entries: readonly AuditEvent[]): Promise<readonly Frame[]> {
    const frames = entries.map(async (entry) => {
      const event = feedEventOf(entry);
      if (event === undefined) return [];
      const sealed = await this.#parts.ids.seal(entry.id);
      const text = `id: ${sealed}\nevent: ${event.name}\ndata: ${JSON.stringify(event.data)}\n\n`;
      return [{ id: Number(entry.id), event, text }];
    });
    return (await Promise.all(frames)).flat();
  }

  async #give(reader: EventReader, frames: readonly Frame[]): Promise<void> {
    const next = frames.filter(({ event, id }) => id > reader.after && reader.wants(event));
    if (next.length === 0 || !(await this.#check(reader, FRESH))) return;
    reader.write(textOf(reader, next));
  }

  /** Ends streams of readers who have lost their rights, and writes to those after a silence. */
  async #tend(): Promise<void> {
    await Promise.all([...this.#readers].map((reader) => this.#check(reader, RECHECK)));
    const { heartbeat = HEARTBEAT } = this.#parts;
    const since = performance.now() - heartbeat;
    const silent = [...this.#readers].filter(({ isLive, writtenAt }) => isLive && writtenAt <= since);
    if (silent.length === 0) return;
    const beat = `: \nid: ${await this.#parts.ids.seal(String(this.#served))}\n\n`;
    for (const reader of silent) reader.write(beat);
  }

  /** Sends readers the hosts that have changed, including readers who still wait for missed events. */
  async #tellHosts(): Promise<void> {
    const readers = [...this.#readers].filter((reader) => reader.wants(OF_HOSTS));
    if (readers.length === 0) {
      this.#hosts?.forget();
      return;
    }
    const events = (await this.#hosts?.changes()) ?? [];
    const text = events.map(textOfHosts).join('');
    if (text === '') return;
    const tell = async (reader: EventReader) => {
      if ((await this.#check(reader, FRESH)) && reader.wants(OF_HOSTS)) reader.write(text);
    };
    await Promise.all(readers.map(tell));
  }

  /** From here on the reader gets changes of hosts. A resumed reader may have missed some. */
  async #beginHosts(reader: EventReader): Promise<void> {
    if (this.#hosts === undefined || !reader.wants(OF_HOSTS)) return;
    const hasHosts = await this.#hosts.begin();
    if (hasHosts && reader.lastId !== undefined) reader.write(textOfHosts(OF_HOSTS));
  }

  /**
   * Checks the credentials of a reader unless that was done within `age`. Ends the stream, and returns false, if they
   * are no longer valid.
   */
  async #check(reader: EventReader, age: number): Promise<boolean> {
    if (performance.now() - reader.checkedAt < age) return true;
    try {
      const identity = await this.#checks.hold(this.#closing.signal, () => reader.identify());
      if (identity !== undefined) return true;
    } catch (error) {
      // Nothing is sent meanwhile, until the database is back.
      if (error instanceof DatabaseUnavailableError && age === RECHECK) return true;
    }
    reader.end();
    return false;
  }

  /** Sends a reader missed events, or makes the reader reload, and makes the reader live. */
  async #catchUp(reader: EventReader): Promise<void> {
    const { audit, ids } = this.#parts;
    const { signal } = this.#closing;
    await this.#beginHosts(reader);
    const asked = reader.lastId === undefined ? undefined : await ids.open(reader.lastId);
    const latest = await this.#latest();
    // A database that was restored may not have reached that position again.
    const isKnown = asked !== undefined && Number(asked) <= Number(latest);
    if (isKnown) reader.write(`id: ${reader.lastId}\n\n`);
    let isReset = reader.lastId !== undefined && !isKnown;
    let after = isKnown ? asked : latest;
    for (let looks = 1; !reader.hasEnded; looks += 1) {
      if (looks > MISSED_LOOKS) {
        isReset = true;
        after = await this.#latest();
      }
      const served = this.#served;
      const page = { outcome: 'done', after, limit: MISSED_AT_ONCE } as const;
      const { events, lookedUpTo } = await this.#catchUps.hold(signal, () => audit.window(page));
      const missed = isReset ? '' : textOf(reader, await this.#framesOf(events));
      await reader.drained();
      if (missed !== '' && (await this.#check(reader, FRESH))) reader.write(missed);
      after = lookedUpTo ?? events.at(-1)?.id ?? after;
      const start = isKnown && !isReset ? '' : `id: ${await ids.seal(after)}\n${isReset ? RESET : ''}\n`;
      // Live readers may have got more meanwhile.
      if (lookedUpTo === undefined && this.#served <= Math.max(served, Number(after))) {
        // A resumed reader keeps the old ID: the time of a new one would reveal how much there was to read.
        reader.write(start);
        reader.goLive(Number(after));
        return;
      }
      await turn();
    }
  }
}

function textOf(reader: EventReader, frames: readonly Frame[]): string {
  return frames.flatMap(({ event, text }) => (reader.wants(event) ? [text] : [])).join('');
}

function textOfHosts({ data, name }: FeedEvent): string {
  return `event: ${name}\ndata: ${JSON.stringify({ ...data, at: new Date().toISOString() })}\n\n`;
}
