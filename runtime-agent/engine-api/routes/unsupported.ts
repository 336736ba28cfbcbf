import type { Router } from '@koa/router';
import { EngineError } from '../../errors.ts';
import { notSpoken } from '../streams/hijack.ts';

/** Routes of the Engine API that this agent knows but does not serve yet, by their users' names for them. */
const UNSUPPORTED: readonly { readonly title: string; readonly path: RegExp }[] = [
  { title: 'attaching by WebSocket', path: /^\/containers\/[^/]+\/attach\/ws$/ },
  { title: 'docker build', path: /^\/(build|build\/prune|build\/cancel)$/ },
  { title: 'Swarm', path: /^\/swarm\/(init|join)$/ },
];

/** Routes that a host outside a swarm answers with 503, by which programs detect that. */
const OF_SWARMS = /^\/(swarm|nodes|services|tasks|secrets|configs)(\/.*)?$/;

/** Answers 501 with a message for unsupported routes, and as a host outside a swarm. Comes after all other routes. */
export function unsupportedRoutes(router: Router): void {
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
