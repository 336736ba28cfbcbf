import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StatusResponseSchema } from '../proto/control_pb.ts';

/** Status of a build for clients: vertexes, statuses, logs and warnings. */
export type StatusUpdate = MessageInitShape<typeof StatusResponseSchema>;

/** Updates put into one message, so that a busy step costs no message for each of its lines. */
const AT_ONCE = 200;
/** Maximum memory for output and counts that late and slow clients can still read. */
const MAX_PASSING = 16 << 20;
/** Memory of an update in addition to its output. */
const UPDATE = 500;

interface Kept {
  /** Its position among all updates. */
  readonly place: number;
  readonly update: StatusUpdate;
}

/**
 * The status of a build for any number of readers, including late ones. Only the latest output and counts are kept,
 * because a step or client may send any amount.
 */
export class StatusLog {
  /** Vertexes and warnings: as many as the build has steps. */
  readonly #lasting: Kept[] = [];
  #passing: Kept[] = [];
  /** Number of dropped entries, and how many of them are still at the start of #passing. */
  #dropped = 0;
  #head = 0;
  #memory = 0;
  #places = 0;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  append(update: StatusUpdate): void {
    if (this.#ended) return;
    const kept = { place: this.#places, update };
    this.#places += 1;
    if (isPassing(update)) this.#keepPassing(kept);
    else this.#lasting.push(kept);
    this.#wake();
  }

  /** Ends the log: readers end after the last update. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Yields the updates from the first that is kept; ends early when `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<StatusUpdate> {
    let lasting = 0;
    let passing = 0;
    while (!signal.aborted) {
      const updates: StatusUpdate[] = [];
      passing = Math.max(passing, this.#dropped);
      while (updates.length < AT_ONCE) {
        const fact = this.#lasting[lasting];
        const passed = this.#passing[passing - this.#dropped + this.#head];
        if (fact !== undefined && (passed === undefined || fact.place < passed.place)) {
          updates.push(fact.update);
          lasting += 1;
        } else if (passed !== undefined) {
          updates.push(passed.update);
          passing += 1;
        } else break;
      }
      if (updates.length > 0) yield merged(updates);
      else if (this.#ended) return;
      else await this.#more(signal);
    }
  }

  #keepPassing(kept: Kept): void {
    this.#passing.push(kept);
    this.#memory += memoryOf(kept.update);
    while (this.#memory > MAX_PASSING) {
      const oldest = this.#passing[this.#head];
      if (oldest === undefined) break;
      this.#memory -= memoryOf(oldest.update);
      // Dropped entries are freed at once; the array is rarely shortened.
      this.#passing[this.#head] = NOTHING;
      this.#head += 1;
      this.#dropped += 1;
    }
    if (this.#head < 1000 || this.#head < this.#passing.length / 2) return;
    this.#passing = this.#passing.slice(this.#head);
    this.#head = 0;
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

const NOTHING: Kept = { place: -1, update: {} };

/** Output and counts, which later ones supersede. */
function isPassing({ vertexes, warnings }: StatusUpdate): boolean {
  return vertexes === undefined && warnings === undefined;
}

function memoryOf({ logs }: StatusUpdate): number {
  return (logs ?? []).reduce((sum, { msg }) => sum + (msg?.length ?? 0), UPDATE);
}

function merged(updates: readonly StatusUpdate[]): StatusUpdate {
  return {
    vertexes: updates.flatMap(({ vertexes }) => vertexes ?? []),
    statuses: updates.flatMap(({ statuses }) => statuses ?? []),
    logs: updates.flatMap(({ logs }) => logs ?? []),
    warnings: updates.flatMap(({ warnings }) => warnings ?? []),
  };
}
