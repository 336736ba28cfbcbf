import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { changeConfig } from '../../builder/change-config.ts';
import { EngineError } from '../../errors.ts';
import type { ImageArchives, LoadProgress } from '../../images/archive/image-archives.ts';
import { hostPlatform } from '../../images/platform.ts';
import { decodePlatform } from '../../images/read-platform.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { requestSignal } from '../http/connection-end.ts';
import { streamBody } from '../http/json.ts';
import { streamProgress } from '../http/progress-stream.ts';
import { pathName, queryBoolean } from '../http/query.ts';
import { loadLines } from '../views/push-lines.ts';
import { tagOf } from './tag-of.ts';

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

/** The socket must stay usable for the answer, also where the body is refused before its end. */
function bodyOf(ctx: Context): AsyncIterable<Uint8Array> {
  return ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
