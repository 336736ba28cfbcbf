/** The scope at whose end helpers clean up: a TestContext, `{ after }` of node:test for a whole file, or withCleanup's. */
export interface CleanupScope {
  after(fn: () => Promise<void> | void): void;
  /** Of a test that has ended. */
  readonly passed?: boolean;
}

type CleanupStep = () => Promise<void> | void;

const stacks = new WeakMap<CleanupScope, CleanupStep[]>();
/** What unwinds a stack: a signal and the end of the work may both ask for it. */
const unwinding = new WeakMap<CleanupStep[], Promise<void>>();
/** The stacks of scopes that have not ended. */
const live = new Set<CleanupStep[]>();

/**
 * Runs `step` when `scope` ends, the last deferred first (node:test's own hooks run the first registered
 * first, which would delete a folder under a process that still writes to it). Every step runs even when an
 * earlier one throws; the errors fail the test. SIGINT and SIGTERM end all scopes, and then the process.
 */
export function defer(scope: CleanupScope, step: CleanupStep): void {
  const known = stacks.get(scope);
  if (known !== undefined) {
    known.push(step);
    return;
  }
  const steps = [step];
  stacks.set(scope, steps);
  if (live.size === 0) process.on('SIGINT', endAll).on('SIGTERM', endAll);
  live.add(steps);
  scope.after(async () => {
    try {
      await unwind(steps);
    } finally {
      live.delete(steps);
      if (live.size === 0) process.off('SIGINT', endAll).off('SIGTERM', endAll);
    }
  });
}

/** Runs `work` with a scope of its own, for programs that are no tests. `signal` aborts on SIGINT and SIGTERM. */
export async function withCleanup<Result>(
  work: (scope: CleanupScope, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const ends: CleanupStep[] = [];
  const interrupted = new AbortController();
  const interrupt = (name: NodeJS.Signals) => interrupted.abort(new Error(`interrupted by ${name}`));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await work({ after: (end) => ends.push(end) }, interrupted.signal);
  } finally {
    await unwind(ends);
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function endAll(name: NodeJS.Signals): Promise<void> {
  for (const steps of live) await unwind(steps).catch((error: unknown) => console.error(error));
  process.exit(name === 'SIGINT' ? 130 : 143);
}

function unwind(steps: CleanupStep[]): Promise<void> {
  const running = unwinding.get(steps) ?? runAll(steps).finally(() => unwinding.delete(steps));
  unwinding.set(steps, running);
  return running;
}

async function runAll(steps: CleanupStep[]): Promise<void> {
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
