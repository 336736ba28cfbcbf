import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import { pathName } from '../http/query.ts';
import { notSpoken } from '../streams/buildkit-upgrade.ts';

/** Routes of the Engine API that this agent knows and does not serve yet, by what their users call them. */
const UNSUPPORTED: readonly { readonly title: string; readonly path: RegExp }[] = [
  { title: 'attaching by WebSocket', path: /^\/containers\/[^/]+\/attach\/ws$/ },
  { title: 'docker build', path: /^\/(build|build\/prune|build\/cancel)$/ },
  { title: 'docker plugin', path: /^\/plugins\/.+$/ },
  { title: 'Swarm', path: /^\/swarm\/(init|join)$/ },
];

/** What a host that is in no swarm answers with 503, by which programs tell that it is in none. */
const OF_SWARMS = /^\/(swarm|nodes|services|tasks|secrets|configs)(\/.*)?$/;

/**
 * Clean answers for what is not there: no plugins (`docker inspect NAME` looks for one too),
 * and 501 with a sentence for routes of later work. Comes after all other routes.
 */
export function unsupportedRoutes(router: Router): void {
  router.get('/plugins', (ctx) => {
    ctx.body = [];
  });
  router.get(/^\/plugins\/(.+)\/json$/, (ctx) => {
    throw new EngineError('not-found', `plugin "${pathName(ctx.captures)}" not found`);
  });
  for (const { title, path } of UNSUPPORTED) {
    router.all(path, () => {
      throw new EngineError('not-implemented', `${title} is not supported yet by berth-agent`);
    });
  }
  router.post(/^\/(session|grpc)$/, (ctx) => {
    throw new EngineError('bad-request', notSpoken(ctx.get('Upgrade')));
  });
  router.all(OF_SWARMS, () => {
    throw new EngineError(
      'unavailable',
      'This node is not a swarm manager, and berth-agent cannot become one: use containers or Compose',
    );
  });
}
