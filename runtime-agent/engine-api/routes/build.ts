import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { type AsyncQueue, createAsyncQueue } from '../../../lib/streams/async-queue.ts';
import type { BuildProgress } from '../../builder/builder.ts';
import { ClassicLines } from '../../builder/classic/classic-lines.ts';
import { receiveSource, treeSource } from '../../builder/classic/classic-source.ts';
import { NO_GIT_CLIENT } from '../../builder/context/git/git-access.ts';
import { gitFiles } from '../../builder/context/git/git-files.ts';
import { StepFailedError } from '../../builder/execute/step-error.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { type BuildQuery, decodeBuildQuery } from '../decode/build-query.ts';
import { type BuildkitQuery, buildkitRequest } from '../decode/buildkit-query.ts';
import { decodeRegistryConfig } from '../decode/registry-auth.ts';
import type { BuildDeps, EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';

/** `POST /build` with the classic builder or BuildKit, and its cancellation (Engine API, ImageBuild). */
export function buildRoutes(router: Router, deps: EngineDeps, parts: BuildDeps): void {
  const running = new Map<string, AbortController>();

  router.post('/build', async (ctx) => {
    const query = decodeBuildQuery(ctx.URL.searchParams);
    const cancelled = new AbortController();
    if (query.id !== undefined) running.set(query.id, cancelled);
    const signal = AbortSignal.any([requestSignal(ctx.res, deps.stopping), cancelled.signal]);
    // It also aborts after a complete answer.
    const ended = () => {
      if (query.id !== undefined && running.get(query.id) === cancelled) running.delete(query.id);
    };
    if (signal.aborted) ended();
    else signal.addEventListener('abort', ended, { once: true });
    const lines = linesOf(ctx, deps, parts, query, signal)[Symbol.asyncIterator]();
    // A failure before the first line is an ordinary error answer: nothing has been sent yet.
    const first = await lines.next().catch(withoutLoginPrompt);

    async function* answer(): AsyncIterable<string> {
      try {
        for (let line = first; !line.done; line = await lines.next())
          yield `${JSON.stringify(line.value)}\r\n`;
      } catch (error) {
        if (ctx.res.destroyed) return;
        const { message, expected } = errorAnswer(error);
        if (!expected) deps.log.error({ err: error }, 'build failed');
        const code = error instanceof StepFailedError ? { code: error.exitCode } : {};
        yield `${JSON.stringify({ errorDetail: { ...code, message }, error: message })}\r\n`;
      }
    }
    streamBody(ctx, 'application/json', answer());
  });

  router.post('/build/cancel', (ctx) => {
    const id = ctx.URL.searchParams.get('id') ?? '';
    if (id === '') throw new EngineError('bad-request', 'build ID not provided');
    running.get(id)?.abort(new EngineError('bad-request', 'the build was cancelled'));
    ctx.status = 200;
    ctx.body = '';
  });
}

/** Yields the lines of the answer. Throws errors of the build. */
function linesOf(
  ctx: Context,
  deps: EngineDeps,
  parts: BuildDeps,
  query: BuildQuery,
  signal: AbortSignal,
): AsyncIterable<object> {
  if (query.buildkit !== undefined) return buildkitLines(ctx, deps, query, query.buildkit, signal);
  const queue = createAsyncQueue(lineWeight);
  void build(ctx, deps, parts, query, bounded(queue), signal).then(
    () => queue.end(),
    (error: unknown) => queue.end(error),
  );
  return queue;
}

/** Passes BuildKit's updates on as dockerd does; a quiet build prints only the image ID. */
async function* buildkitLines(
  ctx: Context,
  { buildkit: api }: EngineDeps,
  query: BuildQuery,
  buildkit: BuildkitQuery,
  signal: AbortSignal,
): AsyncGenerator<object> {
  if (api === undefined) throw new EngineError('not-implemented', 'this agent has no BuildKit');
  const sent = {
    archive: buildkit.context.kind === 'body' ? ctx.req : undefined,
    credentials: decodeRegistryConfig(ctx.get('X-Registry-Config')),
  };
  for await (const update of api.build({ ...buildkitRequest(query, buildkit), sent }, signal)) {
    if (update.kind === 'image') {
      yield query.quiet ? { stream: `${update.id}\n` } : { id: 'moby.image.id', aux: { ID: update.id } };
    } else if (!query.quiet) {
      yield { id: 'moby.buildkit.trace', aux: Buffer.from(update.message).toString('base64') };
    }
  }
}

const NOTHING_KEPT = '[Warning] build steps of this agent leave no containers, so none is kept\n';

/** Maximum characters that wait for a slow client before output is dropped. */
const BACKLOG = 8 << 20;
/** Memory of a line in addition to its output. */
const LINE = 100;

function lineWeight(line: object): number {
  return LINE + ('stream' in line && typeof line.stream === 'string' ? line.stream.length : 0);
}

/** Passes lines on with bounded memory; a slow client is told that lines are missing. */
function bounded(queue: AsyncQueue<object>): (line: object) => void {
  let clipped = false;
  return (line) => {
    const isFull = queue.weight > BACKLOG && 'stream' in line;
    if (!isFull) queue.push(line);
    else if (!clipped) queue.push({ stream: '\n[output clipped: the client reads too slowly]\n' });
    clipped = isFull;
  };
}

/** Replaces a 401: a client would take it for this API's own and ask for the agent's password. */
function withoutLoginPrompt(error: unknown): never {
  if (!(isEngineError(error) && error.code === 'unauthorized')) throw error;
  throw new EngineError('registry', error.message, { cause: error });
}

async function build(
  ctx: Context,
  deps: EngineDeps,
  { builder, contexts }: BuildDeps,
  query: BuildQuery,
  emit: (line: object) => void,
  signal: AbortSignal,
): Promise<void> {
  const { remote } = query;
  const credentials = decodeRegistryConfig(ctx.get('X-Registry-Config'));
  const source =
    remote === undefined
      ? await receiveSource(ctx.req, { ...contexts, credentials, signal })
      : treeSource((await gitFiles(remote, NO_GIT_CLIENT, contexts, signal)).tree, credentials);
  try {
    const lines = new ClassicLines(emit);
    let isWarned = !query.keepsContainers;
    const progress = (step: BuildProgress) => {
      if (query.quiet && step.kind !== 'failed') return;
      lines.take(step);
      if (query.quiet) return;
      if (!isWarned) emit({ stream: NOTHING_KEPT });
      isWarned = true;
    };
    const built = await builder.build({ ...query.request, source }, progress, signal);
    try {
      for (const tag of query.tags) await deps.images.tag(built.id, tag);
    } finally {
      await built.release();
    }
    const short = built.id.slice('sha256:'.length).slice(0, 12);
    if (query.quiet) {
      emit({ stream: `${built.id}\n` });
      return;
    }
    emit({ aux: { ID: built.id } });
    emit({ stream: `Successfully built ${short}\n` });
    for (const tag of query.tags) {
      const hasTag = tag.lastIndexOf(':') > tag.lastIndexOf('/');
      emit({ stream: `Successfully tagged ${hasTag ? tag : `${tag}:latest`}\n` });
    }
  } finally {
    await source.close();
  }
}
