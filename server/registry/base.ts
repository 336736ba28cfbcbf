import { answerJson } from '../http/answer.ts';
import type { RequestContext } from '../request-context.ts';
import { unauthorized } from './authorize.ts';
import type { RegistryDependencies, RegistryRouter } from './registry-dependencies.ts';

/**
 * `GET /v2/` (distribution-spec, "Determining Support"). podman, skopeo and docker read the challenge from
 * this answer alone, so it asks for credentials even where some repositories need none.
 */
export function addBaseRoutes(router: RegistryRouter, { access }: RegistryDependencies): void {
  const handle = (ctx: RequestContext) => {
    // A token that grants nothing is an answer to the challenge as well.
    if (!access.open && ctx.req.headers.authorization === undefined) throw unauthorized(ctx);
    answerJson(ctx, 200, {});
  };
  router.head('/v2/', handle).get('/v2/', handle);
}
