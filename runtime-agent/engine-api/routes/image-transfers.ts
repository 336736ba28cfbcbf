import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { changeConfig } from '../../builder/change-config.ts';
import { EngineError } from '../../errors.ts';
import type { ImageArchives, LoadProgress } from '../../images/archive/image-archives.ts';
import type { PullOptions, PullProgress } from '../../images/images.ts';
import { hostPlatform } from '../../images/platform.ts';
import type { PushProgress } from '../../images/push/image-push.ts';
import { decodePlatform } from '../../images/read-platform.ts';
import { decodeRegistryAuth } from '../decode/registry-auth.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';
import { loadLines, pullLine, pushLines, streamProgress } from '../http/progress-stream.ts';
import { pathName, queryBoolean } from '../http/query.ts';
import { tagOf } from './tag-of.ts';

/** `POST /images/create?fromImage=`: a pull with progress (Engine API, ImageCreate). */
export function imagePullRoutes(router: Router, deps: EngineDeps): void {
  router.post('/images/create', async (ctx) => {
    const { reference, hasTag } = pullReference(ctx.URL.searchParams);
    const platform = decodePlatform(ctx.URL.searchParams.get('platform'));
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    await streamProgress<PullProgress>(ctx, deps, {
      what: `pull of ${reference}`,
      run: async (progress, signal) => {
        const options = {
          ...(platform === undefined ? {} : { platform }),
          ...(credentials === undefined ? {} : { credentials }),
          signal,
        };
        if (hasTag) await deps.images.pull(reference, { ...options, progress });
        else await pullAllTags(deps, reference, { ...options, progress });
      },
      messages: (step) => [pullLine(step)],
      counts: (step) => (step.kind === 'layer' ? step : undefined),
    });
  });
}

/** Returns the reference to pull; without a tag it means all tags of the repository. */
function pullReference(query: URLSearchParams): { readonly reference: string; readonly hasTag: boolean } {
  const image = query.get('fromImage') ?? '';
  const tag = query.get('tag') ?? '';
  if (image === '') throw new EngineError('bad-request', 'fromImage is empty: name the image to pull');
  if (tag !== '')
    return { reference: tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`, hasTag: true };
  return { reference: image, hasTag: /[@:]./.test(image.slice(image.lastIndexOf('/') + 1)) };
}

/** `docker pull --all-tags`: pulls one tag after the other, with one status line for all at the end. */
async function pullAllTags(deps: EngineDeps, repository: string, options: PullOptions): Promise<void> {
  const { credentials, signal } = options;
  const tags = await deps.registryQueries.tags(repository, { ...(credentials && { credentials }), signal });
  let newer = false;
  for (const tag of tags) {
    await deps.images.pull(`${repository}:${tag}`, {
      ...options,
      progress: (step) => {
        if (step.kind === 'status') newer ||= step.newer;
        else options.progress(step);
      },
    });
  }
  options.progress({ kind: 'status', newer, reference: repository });
}

/** `POST /images/NAME/push`: a push with progress (Engine API, ImagePush). */
export function imagePushRoutes(router: Router, deps: EngineDeps): void {
  router.post(/^\/images\/(.+)\/push$/, async (ctx) => {
    const name = pathName(ctx.captures);
    const tag = ctx.URL.searchParams.get('tag') ?? '';
    const credentials = decodeRegistryAuth(ctx.get('X-Registry-Auth'));
    await streamProgress<PushProgress>(ctx, deps, {
      what: `push of ${name}`,
      run: (progress, signal) =>
        deps.push.push(name, {
          ...(tag === '' ? {} : { tag }),
          ...(credentials === undefined ? {} : { credentials }),
          progress,
          signal,
        }),
      messages: pushLines,
      counts: (step) => (step.kind === 'layer' ? step : undefined),
    });
  });
}

/** `docker save`, `load` and `import` (Engine API, ImageGet, ImageGetAll, ImageLoad, ImageCreate with `fromSrc`). */
export function imageArchiveRoutes(router: Router, deps: EngineDeps, archives: ImageArchives): void {
  const save = async (ctx: Context, names: readonly string[]) => {
    const archive = await archives.save(names, requestSignal(ctx.res, deps.stopping));
    streamBody(ctx, 'application/x-tar', archive);
  };
  router.get('/images/get', (ctx) => save(ctx, ctx.URL.searchParams.getAll('names')));
  router.get(/^\/images\/(.+)\/get$/, (ctx) => save(ctx, [pathName(ctx.captures)]));

  router.post('/images/load', async (ctx) => {
    const query = ctx.URL.searchParams;
    const quiet = query.has('quiet') ? queryBoolean(query, 'quiet') : true;
    await streamProgress<LoadProgress>(ctx, deps, {
      what: 'load of an archive',
      failsInside: true,
      run: (progress, signal) => archives.load(bodyOf(ctx), progress, signal),
      messages: (step) => loadLines(step, quiet),
      counts: () => undefined,
    });
  });

  router.post('/images/create', async (ctx, next) => {
    const query = ctx.URL.searchParams;
    const source = query.get('fromSrc') ?? '';
    if (source === '') return await next();
    if (source !== '-') {
      throw new EngineError(
        'not-implemented',
        `importing from ${source.slice(0, 200)} is not supported by berth-agent: fetch it yourself, and pipe it to docker import -`,
      );
    }
    const name = tagOf(query);
    const platform = decodePlatform(query.get('platform')) ?? hostPlatform();
    if (platform.os !== 'linux') throw new EngineError('bad-request', 'operating system is not supported');
    const config = changeConfig(
      {},
      query.getAll('changes').flatMap((text) => text.split('\n')),
    );
    await streamProgress<{ readonly id: string }>(ctx, deps, {
      what: 'import',
      run: async (progress, signal) => {
        const options = {
          ...(name && { name }),
          message: query.get('message') || 'Imported from -',
          platform,
          config,
        };
        progress(await archives.import(bodyOf(ctx), options, signal));
      },
      messages: ({ id }) => [{ status: id }],
      counts: () => undefined,
    });
  });
}

/** Returns the body. The socket must stay usable for the answer, even if the body is refused before its end. */
function bodyOf(ctx: Context): AsyncIterable<Uint8Array> {
  return ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
