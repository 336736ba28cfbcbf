import type { Context } from 'koa';
import { type AsyncQueue, createAsyncQueue } from '../../../lib/streams/async-queue.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { requestSignal } from './connection-end.ts';
import { streamBody } from './json.ts';

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
  /** Whether a failure is told in the answer's body also where nothing came before it; false where it is absent. */
  readonly failsInside?: boolean;
}

/** Milliseconds between two messages that count the same. */
const INTERVAL = 100;
/** Messages that a slow client may owe before counts are left out. */
const BACKLOG = 1000;

/**
 * Answers with what work tells, one JSON object and CRLF each (Engine API, ImageCreate), from the first message on: the end of
 * work that says nothing is told by the answer's head. A failure before the first message is an ordinary error answer, a later
 * one the last message. The work is aborted when the client hangs up.
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
  let told = 0;
  async function* tell(): AsyncGenerator<object, void, void> {
    try {
      for await (const step of queue) yield* work.messages(step);
    } catch (error) {
      if (told === 0 && work.failsInside !== true) throw error;
      if (signal.aborted && !deps.stopping.aborted) return;
      const { message, expected } = errorAnswer(error);
      if (!expected) deps.log.error({ err: error }, `${work.what} failed`);
      yield { errorDetail: { message }, error: message };
    }
  }
  const messages = tell();
  const first = await messages.next().catch(withoutLoginPrompt);
  async function* lines(): AsyncIterable<string> {
    for (let next = first; !next.done; next = await messages.next()) {
      told += 1;
      yield `${JSON.stringify(next.value)}\r\n`;
    }
  }
  streamBody(ctx, 'application/json', lines());
}

/** A 401 is this API's own: the CLI would ask for a password in the middle of a pull. dockerd avoids it too. */
function withoutLoginPrompt(error: unknown): never {
  if (!(isEngineError(error) && error.code === 'unauthorized')) throw error;
  throw new EngineError('registry', error.message, { cause: error });
}

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
