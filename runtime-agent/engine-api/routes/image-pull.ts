import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import type { PullOptions, PullProgress } from '../../images/images.ts';
import { decodePlatform } from '../decode/platform.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { type AsyncQueue, createAsyncQueue } from '../http/async-queue.ts';
import { requestSignal } from '../http/request-signal.ts';
import { streamBody } from '../http/stream-body.ts';
import { pullLine } from '../views/pull-lines.ts';

/** `POST /images/create?fromImage=`: a pull that tells its progress (Engine API, ImageCreate). */
export function imagePullRoutes(router: Router, deps: EngineDeps): void {
  router.post('/images/create', async (ctx) => {
    const reference = pullReference(ctx.URL.searchParams);
    const platform = decodePlatform(ctx.URL.searchParams.get('platform'));
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    const queue = createAsyncQueue<PullProgress>();
    const options: PullOptions = {
      ...(platform === undefined ? {} : { platform }),
      ...(credentials === undefined ? {} : { credentials }),
      progress: throttle(queue),
      signal: requestSignal(ctx.res, deps.stopping),
    };
    deps.images.pull(reference, options).then(
      () => queue.end(),
      (error: unknown) => queue.end(error),
    );
    const steps = queue[Symbol.asyncIterator]();
    // A failure before the first line is an ordinary error answer: nothing has been sent yet.
    const first = await steps.next().catch(withoutLoginPrompt);

    async function* lines(): AsyncIterable<string> {
      try {
        for (let step = first; !step.done; step = await steps.next()) yield line(pullLine(step.value));
      } catch (error) {
        if (options.signal.aborted && !deps.stopping.aborted) return;
        const { message, expected } = errorAnswer(error);
        if (!expected) deps.log.error({ err: error, reference }, 'pull failed');
        yield line({ errorDetail: { message }, error: message });
      }
    }
    streamBody(ctx, 'application/json', lines());
  });
}

/** A 401 is this API's own: the CLI would ask for a password in the middle of a pull. dockerd avoids it too. */
function withoutLoginPrompt(error: unknown): never {
  if (!(error instanceof EngineError && error.code === 'unauthorized')) throw error;
  throw new EngineError('registry', error.message, { cause: error });
}

const line = (message: object) => `${JSON.stringify(message)}\r\n`;

function pullReference(query: URLSearchParams): string {
  if (query.has('fromSrc')) {
    throw new EngineError(
      'not-implemented',
      'importing an image from a tar archive is not supported yet by berth-agent',
    );
  }
  const image = query.get('fromImage') ?? '';
  const tag = query.get('tag') ?? '';
  if (image === '') throw new EngineError('bad-request', 'fromImage is empty: name the image to pull');
  if (tag !== '') return tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`;
  if (/@[^/]+$|:[^/:]+$/.test(image)) return image;
  throw new EngineError(
    'not-implemented',
    `pulling all tags of ${image.slice(0, 200)} is not supported yet by berth-agent: name one tag`,
  );
}

/** Milliseconds between two lines about the bytes of one layer. */
const INTERVAL = 100;
/** Lines that a slow client may owe before byte counts are left out. */
const BACKLOG = 1000;

/** Passes every change of state on, and byte counts as often as a person can read them. */
function throttle(queue: AsyncQueue<PullProgress>): (step: PullProgress) => void {
  const last = new Map<string, { readonly state: string; readonly at: number }>();
  return (step) => {
    if (step.kind === 'layer') {
      const now = performance.now();
      const previous = last.get(step.id);
      const counts = step.state === 'downloading' || step.state === 'extracting';
      const repeated = previous?.state === step.state;
      if (counts && repeated && (now - previous.at < INTERVAL || queue.size > BACKLOG)) return;
      last.set(step.id, { state: step.state, at: now });
    }
    queue.push(step);
  };
}
