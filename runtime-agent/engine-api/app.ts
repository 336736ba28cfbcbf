import Koa, { type Context, type Next } from 'koa';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { EngineError } from '../errors.ts';
import { engineHeaders, escapeContainerName, splitVersion } from './api-version.ts';
import type { EngineDeps } from './engine-deps.ts';
import { errorAnswer, errorBody } from './error-status.ts';
import { drainRequest } from './http/connection-end.ts';
import { buildRoutes } from './routes/build.ts';
import { buildPruneRoutes } from './routes/build-prune.ts';
import { containerArchiveRoutes } from './routes/container-archive.ts';
import { containerControlRoutes } from './routes/container-control.ts';
import { containerListRoutes } from './routes/container-list.ts';
import { containerLogRoutes } from './routes/container-logs.ts';
import { containerPruneRoutes } from './routes/container-prune.ts';
import { containerStatsRoutes } from './routes/container-stats.ts';
import { containerTreeRoutes } from './routes/container-trees.ts';
import { containerWaitRoutes } from './routes/container-wait.ts';
import { containerRoutes } from './routes/containers.ts';
import { diskUsageRoutes } from './routes/disk-usage.ts';
import { eventRoutes } from './routes/events.ts';
import { execRoutes } from './routes/execs.ts';
import { imageArchiveRoutes } from './routes/image-archives.ts';
import { imageListRoutes } from './routes/image-list.ts';
import { imagePruneRoutes } from './routes/image-prune.ts';
import { imagePullRoutes } from './routes/image-pull.ts';
import { imagePushRoutes } from './routes/image-push.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { pluginRoutes } from './routes/plugins.ts';
import { registryQueryRoutes } from './routes/registry-queries.ts';
import { systemRoutes } from './routes/system.ts';
import { unsupportedRoutes } from './routes/unsupported.ts';
import { volumeRoutes } from './routes/volumes.ts';

/** The Docker Engine API as a Koa application; attach and exec start are apart, in streams/hijack.ts. */
export function createEngineApp(deps: EngineDeps): Koa {
  const app = new Koa();
  const router = new KoaRouter();
  systemRoutes(router, deps);
  eventRoutes(router, deps);
  imageListRoutes(router, deps);
  if (deps.files !== undefined) imageArchiveRoutes(router, deps, deps.files.archives);
  imagePullRoutes(router, deps);
  imagePushRoutes(router, deps);
  registryQueryRoutes(router, deps);
  containerListRoutes(router, deps);
  containerWaitRoutes(router, deps);
  containerLogRoutes(router, deps);
  containerRoutes(router, deps);
  if (deps.files !== undefined) {
    containerArchiveRoutes(router, deps, deps.files.archive);
    containerTreeRoutes(router, deps, deps.files);
    imagePruneRoutes(router, deps, deps.files);
    diskUsageRoutes(router, deps, deps.files);
  }
  containerControlRoutes(router, deps);
  containerPruneRoutes(router, deps);
  containerStatsRoutes(router, deps);
  execRoutes(router, deps);
  networkRoutes(router, deps);
  if (deps.build !== undefined) {
    buildPruneRoutes(router, deps, deps.build.cache);
    buildRoutes(router, deps, deps.build);
  }
  volumeRoutes(router, deps);
  pluginRoutes(router);
  unsupportedRoutes(router);
  imageRoutes(router, deps);

  const headers = engineHeaders(deps.host.version);
  app.use(async (ctx, next) => {
    ctx.set(headers);
    await next();
    // Clients compare the whole value; Koa would add a charset.
    if (ctx.response.is('json')) ctx.set('Content-Type', 'application/json');
  });
  app.use(answerErrors(deps));
  app.use(async (ctx, next) => {
    if (!URL.canParse(ctx.url, 'http://agent')) throw new EngineError('bad-request', 'invalid request URI');
    const { version, path } = splitVersion(ctx.path);
    ctx.path = escapeContainerName(path);
    ctx.state.apiVersion = version;
    await next();
  });
  app.use(router.routes());
  app.use(() => {
    throw new EngineError('not-found', 'page not found');
  });
  app.on('error', (error: NodeJS.ErrnoException) => {
    // A client that hung up during a stream is no news.
    if (!HANG_UPS.has(error.code ?? '')) deps.log.error({ err: error }, 'answer failed');
  });
  return app;
}

const HANG_UPS = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'EPIPE', 'ECONNRESET']);

/** Turns what a route throws into the Engine API's error answer. */
function answerErrors(deps: EngineDeps) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next();
    } catch (error) {
      const { status, message, expected } = errorAnswer(error);
      if (ctx.res.destroyed) return;
      if (!expected) deps.log.error({ err: error, method: ctx.method, path: ctx.path }, 'request failed');
      ctx.status = status;
      if (status === 304) return;
      ctx.type = 'application/json';
      ctx.body = errorBody(message);
      drainRequest(ctx.req);
    }
  };
}
