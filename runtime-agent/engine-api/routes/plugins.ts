import type { Router } from '@koa/router';
import { readReference } from '../../../oci/distribution/errors.ts';
import { EngineError } from '../../errors.ts';
import { booleanFilter, readFilters } from '../http/filters.ts';
import { readJsonList } from '../http/json.ts';
import { pathName } from '../http/query.ts';

/**
 * Plugins (Engine API, "Plugins"): there are none, and none can be installed. `docker inspect NAME` looks for one too. Requests
 * are checked as dockerd checks them.
 */
export function pluginRoutes(router: Router): void {
  router.get('/plugins', (ctx) => {
    booleanFilter(readFilters(ctx.URL.searchParams, ['capability', 'enabled']), 'enabled');
    ctx.body = [];
  });
  router.get('/plugins/privileges', (ctx) => refuseInstall(ctx.URL.searchParams));
  router.post('/plugins/pull', async (ctx) => {
    await readJsonList(ctx.req);
    refuseInstall(ctx.URL.searchParams);
  });
  router.post('/plugins/create', () => {
    throw new EngineError('not-implemented', UNSUPPORTED);
  });
  router.post(/^\/plugins\/(.+)\/(?:set|upgrade)$/, async (ctx) => {
    await readJsonList(ctx.req);
    throw noSuchPlugin(ctx.captures);
  });
  router.post(/^\/plugins\/(.+)\/(?:enable|disable|push)$/, (ctx) => {
    throw noSuchPlugin(ctx.captures);
  });
  router.get(/^\/plugins\/(.+)\/json$/, (ctx) => {
    throw noSuchPlugin(ctx.captures);
  });
  router.delete(/^\/plugins\/(.+)$/, (ctx) => {
    throw noSuchPlugin(ctx.captures);
  });
}

const UNSUPPORTED = 'docker plugin is not supported by berth-agent: run the program in a container';

/** Throws EngineError 'not-implemented', DistributionError 'bad-request' for a wrong reference. */
function refuseInstall(query: URLSearchParams): never {
  readReference(query.get('remote') ?? '');
  throw new EngineError('not-implemented', UNSUPPORTED);
}

function noSuchPlugin(captures: readonly string[] | undefined): EngineError {
  return new EngineError('not-found', `plugin "${pathName(captures)}" not found`);
}
