import type { Context } from 'koa';
import { EngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { type AsyncQueue, createAsyncQueue } from './async-queue.ts';
import { requestSignal } from './request-signal.ts';
import { streamBody } from './stream-body.ts';

/** A long piece of work that tells how far it is. */
export interface ProgressWork<Step> {
  /** For the log. */
  readonly what: string;
  run(report: (step: Step) => void, signal: AbortSignal): Promise<void>;
  /** The messages that a step is for clients. */
  messages(step: Step): readonly object[];
  /**
   * What a step is about, where it only counts: of the same state of the same thing, some may be left out. Undefined for a step
   * that everybody must see.
   */
  counts(step: Step): { readonly id: string; readonly state: string } | undefined;
}

/** Milliseconds between two messages that count the same. */
const INTERVAL = 100;
/** Messages that a slow client may owe before counts are left out. */
const BACKLOG = 1000;

/**
 * Answers with what work tells, one JSON object and CRLF each (Engine API, ImageCreate). A failure before the first message is an
 * ordinary error answer, a later one the last message. The work is aborted when the client hangs up.
 */
export async function streamProgress<Step>(
  ctx: Context,
  deps: Pick<EngineDeps, 'stopping' | 'log'>,
  work: ProgressWork<Step>,
): Promise<void> {
  const queue = createAsyncQueue<Step>();
  const signal = requestSignal(ctx.res, deps.stopping);
  work.run(throttle(queue, work), signal).then(
    () => queue.end(),
    (error: unknown) => queue.end(error),
  );
  const steps = queue[Symbol.asyncIterator]();
  const first = await steps.next().catch(withoutLoginPrompt);

  async function* lines(): AsyncIterable<string> {
    try {
      for (let step = first; !step.done; step = await steps.next()) {
        for (const message of work.messages(step.value)) yield line(message);
      }
    } catch (error) {
      if (signal.aborted && !deps.stopping.aborted) return;
      const { message, expected } = errorAnswer(error);
      if (!expected) deps.log.error({ err: error }, `${work.what} failed`);
      yield line({ errorDetail: { message }, error: message });
    }
  }
  streamBody(ctx, 'application/json', lines());
}

/** A 401 is this API's own: the CLI would ask for a password in the middle of a pull. dockerd avoids it too. */
function withoutLoginPrompt(error: unknown): never {
  if (!(error instanceof EngineError && error.code === 'unauthorized')) throw error;
  throw new EngineError('registry', error.message, { cause: error });
}

const line = (message: object) => `${JSON.stringify(message)}\r\n`;

/** Passes every change of state on, and counts as often as a person can read them. */
function throttle<Step>(
  queue: AsyncQueue<Step>,
  work: Pick<ProgressWork<Step>, 'counts'>,
): (step: Step) => void {
  const last = new Map<string, { readonly state: string; readonly at: number }>();
  return (step) => {
    const counted = work.counts(step);
    if (counted !== undefined) {
      const now = performance.now();
      const previous = last.get(counted.id);
      if (previous?.state === counted.state && (now - previous.at < INTERVAL || queue.size > BACKLOG)) return;
      last.set(counted.id, { state: counted.state, at: now });
    }
    queue.push(step);
  };
}
