import { randomUUID } from 'node:crypto';
import type { BuildProgress } from './builder.ts';

/** A step of the builder itself, such as the transfer of the context, shown among those of the Dockerfile. */
export interface InternalStep {
  /** Reports the total bytes received or sent. */
  transferred(what: string, bytes: number): void;
  /** Reports an action of the step. */
  did(what: string): void;
}

/** Milliseconds between two messages about bytes. */
const OFTEN = 100;

/** Runs `work` as a step. Throws its error. */
export async function internalStep<T>(
  name: string,
  progress: (step: BuildProgress) => void,
  work: (step: InternalStep) => Promise<T>,
): Promise<T> {
  const id = randomUUID();
  progress({ kind: 'planned', id, name, inputs: [] });
  progress({ kind: 'started', id, at: new Date() });
  let told = Number.NEGATIVE_INFINITY;
  let last: (() => void) | undefined;
  const step: InternalStep = {
    transferred(what, current) {
      last = () => progress({ kind: 'progress', id, what, current });
      const now = performance.now();
      if (now - told < OFTEN) return;
      told = now;
      last();
    },
    did: (what) => progress({ kind: 'progress', id, what, current: 0 }),
  };
  try {
    const result = await work(step);
    last?.();
    progress({ kind: 'completed', id, at: new Date() });
    return result;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    progress({ kind: 'failed', id, at: new Date(), message });
    throw error;
  }
}
