import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Context, Next } from 'koa';
import Koa from 'koa';
import { KoaRouter } from '../../lib/http/koa-router.ts';
import { http as nodeHttp } from '../../lib/http/node-http.ts';
import { tracer } from '../../lib/tracing/trace.ts';
import { followRequest } from '../../lib/watchdog/work-under-way.ts';
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
import { containerRoutes, containerWaitRoutes } from './routes/containers.ts';
import { diskUsageRoutes } from './routes/disk-usage.ts';
import { eventRoutes } from './routes/events.ts';
import { execRoutes } from './routes/execs.ts';
import { imageListRoutes } from './routes/image-list.ts';
import { imagePruneRoutes } from './routes/image-prune.ts';
import { imageArchiveRoutes, imagePullRoutes, imagePushRoutes } from './routes/image-transfers.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { pluginRoutes } from './routes/plugins.ts';
import { registryQueryRoutes } from './routes/registry-queries.ts';
import { systemRoutes } from './routes/system.ts';
import { unsupportedRoutes } from './routes/unsupported.ts';
import { volumeRoutes } from './routes/volumes.ts';
import {
  asksForH2c,
  isBuildkit,
  mayUpgrade,
  serveBuildkit,
  serveUpgrade,
  takeOverPlainRequests,
} from './streams/hijack.ts';
import { traceRequests } from './trace-requests.ts';

/** Creates the Docker Engine API as a Koa application; attach and exec start are separate, in streams/hijack.ts. */
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

  if (tracer() !== undefined) app.use(traceRequests());
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
    // A client that hangs up during a stream is normal.
    if (!HANG_UPS.has(error.code ?? '')) deps.log.error({ err: error }, 'answer failed');
  });
  return app;
}

const HANG_UPS = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'EPIPE', 'ECONNRESET']);

/** Turns errors of routes into error answers of the Engine API. */
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

/** An HTTP server of the Engine API that does not listen yet. */
export interface EngineServer<S extends Server | TlsServer = Server> {
  readonly http: S;
  /**
   * Accepts no more connections, and resolves when the open ones have ended; after `grace` milliseconds the rest are
   * cut. The caller aborts `deps.stopping` first, which ends the streams.
   */
  close(grace: number): Promise<void>;
}

/** Serves plain HTTP, for a socket whose file mode controls access. */
export function createEngineServer(deps: EngineDeps): EngineServer {
  return serveEngine(
    deps,
    nodeHttp.createServer(SERVER_OPTIONS, createEngineApp(deps).callback()),
    'connection',
  );
}

/** Options of every server of the API. */
export const SERVER_OPTIONS: ServerOptions = {
  // Logs, events and waits are silent as long as nothing happens.
  requestTimeout: 0,
  // X-Registry-Auth may hold tokens that exceed Node's default.
  maxHeaderSize: 256 * 1024,
  keepAliveTimeout: 0,
  // An upgrade without a handler is an ordinary request, and gets its 404 or 501.
  shouldUpgradeCallback: (request) => mayUpgrade(request) || isBuildkit(request),
};

/** Serves the API, and upgraded connections, on an existing server; `event` delivers its connections in plain text. */
export function serveEngine<S extends Server | TlsServer>(
  deps: EngineDeps,
  http: S,
  event: 'connection' | 'secureConnection',
): EngineServer<S> {
  const upgraded = new Set<Duplex>();
  const lastAnswers = new WeakMap<Duplex, ServerResponse>();
  const { work } = deps;
  const plain = takeOverPlainRequests(http, event, (request) => mayUpgrade(request) || asksForH2c(request));
  http.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    lastAnswers.set(request.socket, answer);
    if (work !== undefined) followRequest(work, request, answer);
  });
  http.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (plain.reopen(request, head)) return;
    if (work !== undefined) followRequest(work, request, socket);
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', (error) => deps.log.debug({ err: error }, 'attached connection failed'));
    if (head.length > 0) socket.unshift(head);
    await untilSent(lastAnswers.get(request.socket));
    if (socket.destroyed) return;
    if (request.headers.expect?.toLowerCase() === '100-continue')
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    if (isBuildkit(request)) await serveBuildkit(deps, request, socket);
    else await serveUpgrade(deps, request, socket, plain.isPlain(request));
  });
  return {
    http,
    async close(grace) {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      const idle = setInterval(() => http.closeIdleConnections(), 50);
      const cut = setTimeout(() => {
        http.closeAllConnections();
        for (const socket of upgraded) socket.destroy();
      }, grace);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

/** Waits for the answer to an earlier request on the connection, which the client may not have awaited. */
async function untilSent(answer: ServerResponse | undefined): Promise<void> {
  if (answer === undefined || answer.closed || answer.writableFinished) return;
  await new Promise<void>((resolve) => answer.once('close', resolve));
}
