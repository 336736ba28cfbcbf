/** Whoever ends what a helper began: a TestContext, `{ after }` of node:test for a whole file, or withCleanup's. */
export interface CleanupScope {
  after(fn: () => Promise<void> | void): void;
}

type CleanupStep = () => Promise<void> | void;

const stacks = new WeakMap<CleanupScope, CleanupStep[]>();

/**
 * Runs `step` when `scope` ends, the last deferred first (node:test's own hooks run the first registered
 * first, which would delete a folder under a process that still writes to it). Every step runs even when an
 * earlier one throws; what they threw fails the test.
 */
export function defer(scope: CleanupScope, step: CleanupStep): void {
  const known = stacks.get(scope);
  if (known !== undefined) {
    known.push(step);
    return;
  }
  const steps = [step];
  stacks.set(scope, steps);
  scope.after(() => unwind(steps));
}

/** Runs `work` with a scope of its own, for programs that are no tests, and cleans up after it, also on SIGINT and SIGTERM. */
export async function withCleanup<Result>(
  work: (scope: CleanupScope, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const steps: CleanupStep[] = [];
  const interrupted = new AbortController();
  const interrupt = (name: NodeJS.Signals) => interrupted.abort(new Error(`interrupted by ${name}`));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await work({ after: (step) => steps.push(step) }, interrupted.signal);
  } finally {
    await unwind(steps);
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function unwind(steps: CleanupStep[]): Promise<void> {
  const errors: unknown[] = [];
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) {
    throw new AggregateError(errors, `cleaning up failed: ${errors.map(String).join('; ')}`);
  }
}
