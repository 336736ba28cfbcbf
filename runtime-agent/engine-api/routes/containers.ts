import type { Router } from '@koa/router';
import type { Context } from 'koa';
import type { CreateRequest, WaitCondition, WaitResult } from '../../containers/containers.ts';
import { parseSignal } from '../../containers/plan/signals.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import { asksBefore } from '../api-version.ts';
import { decodeCreateRequest } from '../decode/create-request.ts';
import type { EngineDeps } from '../engine-deps.ts';
import { errorAnswer } from '../error-status.ts';
import { requestSignal } from '../http/connection-end.ts';
import { readJsonBody, streamBody } from '../http/json.ts';
import { pathName, queryBoolean, queryInteger, terminalSize } from '../http/query.ts';
import { containerInspect } from '../views/container-inspect.ts';
import { linksView } from '../views/container-summary.ts';
import { fixedNetworks } from '../views/network-settings.ts';
import { containerSizes } from './container-sizes.ts';

/** Older clients connect a container to its other networks one by one. Throws EngineError 'bad-request'. */
function checkOneEndpoint({ networks }: CreateRequest): void {
  const names = Object.keys(networks ?? {}).sort();
  if (names.length <= 1) return;
  const why = `Container cannot be created with multiple network endpoints: ${names.join(', ').slice(0, 300)}`;
  throw new EngineError('bad-request', why);
}

/** Create, inspect, start, stop, kill, restart, resize and removal (Engine API, "Containers"). */
export function containerRoutes(router: Router, deps: EngineDeps): void {
  const { containers } = deps;

  router.post('/containers/create', async (ctx) => {
    const body = await readJsonBody(ctx.req);
    // Others could share the memory of a container until version 1.40.
    const ipcMode = asksBefore(ctx, '1.40') ? 'shareable' : 'private';
    const request = decodeCreateRequest(body, ctx.URL.searchParams, { ...deps.host, ipcMode });
    if (asksBefore(ctx, '1.44')) checkOneEndpoint(request);
    const { id, warnings } = await containers.create(request);
    ctx.status = 201;
    ctx.body = { Id: id, Warnings: [...warnings, ...macWarnings(request, asksBefore(ctx, '1.44'))] };
  });

  router.get('/containers/:id/json', async (ctx) => {
    const container = await containers.get(ref(ctx));
    const sized = queryBoolean(ctx.URL.searchParams, 'size') ? deps.files : undefined;
    const isLinked = container.hostConfig.Links !== undefined;
    const links = isLinked ? linksView(container, await containers.list()) : [];
    const aliases = asksBefore(ctx, '1.45') ? 'with-id' : 'as-given';
    ctx.body = {
      ...containerInspect(
        container,
        deps.host,
        deps.execs.listIds(container.id),
        links,
        aliases,
        fixedNetworks(deps.networks),
      ),
      ...(sized && (await containerSizes(deps, sized, container))),
    };
  });

  router.post('/containers/:id/start', async (ctx) => {
    if (ctx.URL.searchParams.has('checkpoint')) {
      throw new EngineError(
        'not-implemented',
        'starting from a checkpoint is not supported yet by berth-agent',
      );
    }
    await containers.start(ref(ctx));
    ctx.status = 204;
  });

  router.post('/containers/:id/stop', async (ctx) => {
    const { id } = await containers.get(ref(ctx));
    await worded(`cannot stop container: ${ref(ctx)}: `, () => containers.stop(id, stopOptions(ctx)));
    ctx.status = 204;
  });

  router.post('/containers/:id/restart', async (ctx) => {
    const container = await containers.get(ref(ctx));
    await worded(`Cannot restart container ${ref(ctx)}: `, () =>
      containers.restart(container.id, stopOptions(ctx)),
    );
    deps.events.publish({
      type: 'container',
      action: 'restart',
      id: container.id,
      attributes: { ...container.config.Labels, image: container.config.Image, name: container.name },
    });
    ctx.status = 204;
  });

  router.post('/containers/:id/kill', async (ctx) => {
    await worded(`cannot kill container: ${ref(ctx)}: `, async () => {
      const signal = ctx.URL.searchParams.get('signal') || 'KILL';
      parseSignal(signal);
      await containers.kill(ref(ctx), signal);
    });
    ctx.status = 204;
  });

  router.post('/containers/:id/resize', async (ctx) => {
    const query = ctx.URL.searchParams;
    await containers.resize(ref(ctx), terminalSize(query));
    ctx.status = 200;
    ctx.body = '';
  });

  // The name of a link contains a slash.
  router.delete(/^\/containers\/(.+)$/, async (ctx) => {
    const query = ctx.URL.searchParams;
    const name = pathName(ctx.captures);
    if (queryBoolean(query, 'link')) await deps.control.unlink(name);
    else {
      await containers.remove(name, {
        force: queryBoolean(query, 'force'),
        volumes: queryBoolean(query, 'v'),
      });
    }
    ctx.status = 204;
  });
}

function macWarnings({ config }: CreateRequest, isOld: boolean): readonly string[] {
  if (config.MacAddress === undefined || isOld) return [];
  return [
    'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
  ];
}

/** Returns the container name in the path. */
function ref(ctx: Context): string {
  return String(ctx.params.id);
}

function stopOptions(ctx: Context): { readonly timeout?: number; readonly signal?: string } {
  const timeout = queryInteger(ctx.URL.searchParams, 't');
  const signal = ctx.URL.searchParams.get('signal');
  return { ...(timeout === undefined ? {} : { timeout }), ...(signal ? { signal } : {}) };
}

/** Adds dockerd's prefix to the message of a failure. */
async function worded(prefix: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isWorded = !isEngineError(error) || error.message.startsWith(prefix);
    if (isWorded || error.code === 'not-modified') throw error;
    throw new EngineError(error.code, `${prefix}${error.message}`, { cause: error });
  }
}

const CONDITIONS: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed'];

/**
 * `POST /containers/{id}/wait`. The headers are sent once the wait is registered: `docker run` starts the container
 * only after it has them (Engine API, ContainerWait).
 */
export function containerWaitRoutes(router: Router, deps: EngineDeps): void {
  router.post('/containers/:id/wait', async (ctx) => {
    const asked = ctx.URL.searchParams.get('condition') || 'not-running';
    const condition = CONDITIONS.find((name) => name === asked);
    if (condition === undefined) {
      throw new EngineError('bad-request', `invalid condition: "${asked.slice(0, 80)}"`);
    }
    const signal = requestSignal(ctx.res, deps.stopping);
    const { result } = await deps.containers.wait(String(ctx.params.id), condition, signal);

    async function* answer(): AsyncIterable<string> {
      yield `${JSON.stringify(await result.then(exitView, failureView))}\n`;
    }
    streamBody(ctx, 'application/json', answer());
  });
}

function exitView(result: WaitResult): object {
  return {
    StatusCode: result.exitCode,
    ...(result.error === undefined || result.error === '' ? {} : { Error: { Message: result.error } }),
  };
}

function failureView(error: unknown): object {
  return { StatusCode: -1, Error: { Message: errorAnswer(error).message } };
}
