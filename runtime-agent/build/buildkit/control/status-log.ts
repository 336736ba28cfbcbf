import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StatusResponseSchema } from '../proto/control_pb.ts';

/** What clients are told of a build: vertexes, statuses, logs and warnings. */
export type StatusUpdate = MessageInitShape<typeof StatusResponseSchema>;

/** Updates put into one message, so that a busy step costs no message for each of its lines. */
const AT_ONCE = 200;

/** All that was told of a build, for whoever asks, whenever he comes. */
export class StatusLog {
  readonly #updates: StatusUpdate[] = [];
  readonly #waiting = new Set<() => void>();
  #ended = false;

  append(update: StatusUpdate): void {
    if (this.#ended) return;
    this.#updates.push(update);
    this.#wake();
  }

  /** There will be no more: those who follow end after the last update. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** From the first update to the last; ends early where `signal` aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<StatusUpdate> {
    for (let next = 0; !signal.aborted; ) {
      const updates = this.#updates.slice(next, next + AT_ONCE);
      if (updates.length > 0) {
        next += updates.length;
        yield merged(updates);
      } else if (this.#ended) {
        return;
      } else {
        await this.#more(signal);
      }
    }
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

function merged(updates: readonly StatusUpdate[]): StatusUpdate {
  return {
    vertexes: updates.flatMap(({ vertexes }) => vertexes ?? []),
    statuses: updates.flatMap(({ statuses }) => statuses ?? []),
    logs: updates.flatMap(({ logs }) => logs ?? []),
    warnings: updates.flatMap(({ warnings }) => warnings ?? []),
  };
}
