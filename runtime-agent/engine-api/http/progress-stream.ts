import type { Context } from 'koa';
import { type AsyncQueue, createAsyncQueue } from '../../../lib/streams/async-queue.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { LoadProgress } from '../../images/archive/image-archives.ts';
import type { PullProgress } from '../../images/images.ts';
import type { PushProgress } from '../../images/push/image-push.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { requestSignal } from './connection-end.ts';
import { streamBody } from './json.ts';

/** Long work that reports its progress. */
export interface ProgressWork<Step> {
  /** For the log. */
  readonly what: string;
  run(report: (step: Step) => void, signal: AbortSignal): Promise<void>;
  /** Returns a step's messages for clients. */
  messages(step: Step): readonly object[];
  /**
   * Returns the subject of a step that is only a counter: repeated states of one subject may be dropped. Undefined for
   * a step that every client must see.
   */
  counts(step: Step): { readonly id: string; readonly state: string } | undefined;
  /** Whether a failure is always reported in the answer's body, even as the first message; false by default. */
  readonly failsInside?: boolean;
}

/** Minimum milliseconds between two messages about the same counter. */
const INTERVAL = 100;
/** Maximum pending messages for a slow client before counters are dropped. */
const BACKLOG = 1000;

/**
 * Answers with progress messages, one JSON object and CRLF each (Engine API, ImageCreate). The head is sent with the
 * first message, or at the end of silent work. A failure before the first message is an ordinary error answer, a later
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

/**
 * Replaces a 401: the CLI would take it for this API's own and ask for a password in the middle of a pull. dockerd
 * avoids it too.
 */
function withoutLoginPrompt(error: unknown): never {
  if (!(isEngineError(error) && error.code === 'unauthorized')) throw error;
  throw new EngineError('registry', error.message, { cause: error });
}

/** Passes on every change of state, and counts as often as a person can read them. */
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

const PULL_STATUS = {
  'pulling-fs-layer': 'Pulling fs layer',
  waiting: 'Waiting',
  downloading: 'Downloading',
  'verifying-checksum': 'Verifying Checksum',
  'download-complete': 'Download complete',
  extracting: 'Extracting',
  'pull-complete': 'Pull complete',
  'already-exists': 'Already exists',
} as const;

/** Formats a progress step of a pull as dockerd does (Engine API, ImageCreate). */
export function pullLine(step: PullProgress): object {
  switch (step.kind) {
    case 'pulling-from':
      return { status: `Pulling from ${step.repository}`, id: step.tag };
    case 'digest':
      return { status: `Digest: ${step.digest}` };
    case 'status':
      return {
        status: step.newer
          ? `Status: Downloaded newer image for ${step.reference}`
          : `Status: Image is up to date for ${step.reference}`,
      };
    case 'layer': {
      const status = PULL_STATUS[step.state];
      const { current, total } = step;
      if (current === undefined || total === undefined || total <= 0) {
        return { status, progressDetail: {}, id: step.id };
      }
      return {
        status,
        progressDetail: { current, total },
        progress: progressBar(current, total),
        id: step.id,
      };
    }
  }
}

/** Formats `[====>    ]  1.2MB/3.4MB`, which clients without a progress bar of their own print. */
function progressBar(current: number, total: number): string {
  const filled = Math.min(50, Math.floor((current / total) * 50));
  const bar = filled === 50 ? '='.repeat(50) : `${'='.repeat(filled)}>${' '.repeat(49 - filled)}`;
  return `[${bar}] ${humanSize(current).padStart(7)}/${humanSize(total)}`;
}

/** Formats bytes in decimal units with four significant digits, as Docker does. */
export function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${Number(size.toPrecision(4))}${units[unit]}`;
}

const PUSH_STATUS = {
  preparing: 'Preparing',
  waiting: 'Waiting',
  pushing: 'Pushing',
  pushed: 'Pushed',
  'already-exists': 'Layer already exists',
} as const;

/** Formats a progress step of a push as dockerd does (Engine API, ImagePush). */
export function pushLines(step: PushProgress): readonly object[] {
  switch (step.kind) {
    case 'pushing-to':
      return [{ status: `The push refers to repository [${step.repository}]` }];
    case 'layer':
      return [layerLine(step)];
    case 'compressed-anew':
      return [
        {
          status:
            'This host does not have the compressed layer of the image: it is compressed again, and the image gets another digest',
          id: step.id,
        },
      ];
    case 'pushed': {
      const { tag, digest, size } = step;
      return [
        { status: `${tag}: digest: ${digest} size: ${size}` },
        { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } },
      ];
    }
  }
}

function layerLine(step: Extract<PushProgress, { readonly kind: 'layer' }>): object {
  const { id, state, current, total } = step;
  const status = state === 'mounted' ? `Mounted from ${step.from}` : PUSH_STATUS[state];
  if (current === undefined || total === undefined || total <= 0) return { status, progressDetail: {}, id };
  return { status, progressDetail: { current, total }, progress: progressBar(current, total), id };
}

/** Formats a step of a load as dockerd does (Engine API, ImageLoad). */
export function loadLines(step: LoadProgress, quiet: boolean): readonly object[] {
  switch (step.kind) {
    case 'layer': {
      if (quiet) return [];
      const { id, current, total } = step;
      const progress = progressBar(current, Math.max(total, 1));
      return [{ status: 'Loading layer', progressDetail: { current, total }, progress, id }];
    }
    case 'renamed':
      return [
        {
          stream: `The image ${step.name} already exists, renaming the old one with ID ${step.oldId} to empty string\n`,
        },
      ];
    case 'loaded':
      return [{ stream: `Loaded image: ${step.name}\n` }];
    case 'loaded-id':
      return [{ stream: `Loaded image ID: ${step.id}\n` }];
  }
}
