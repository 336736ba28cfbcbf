import { answerBytes, answerJson } from '../http/answer.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { unauthorized } from './authorize.ts';
import type { RegistryDependencies } from './registry-dependencies.ts';

/**
 * `GET /v2/` (distribution-spec, "Determining Support"). podman, skopeo and docker read the challenge from
 * this answer alone, so it asks for credentials even where some repositories need none. With the slash or without:
 * people and probes leave it out. `GET /` is what load balancers ask by themselves, and what people open in a browser.
 */
export function addBaseRoutes(router: RequestRouter, { access, pathPrefix }: RegistryDependencies): void {
  router.get('/', (ctx) => {
    const logins = access.open ? '' : ` People of an identity provider log in at ${pathPrefix}/auth/.`;
    const welcome = `This is a Berth registry, for docker and the like.${logins}\n`;
    answerBytes(ctx, 200, Buffer.from(welcome), { 'Content-Type': 'text/plain; charset=utf-8' });
  });

  const handle = (ctx: RequestContext) => {
    // A token that grants nothing is an answer to the challenge as well.
    if (!access.open && ctx.req.headers.authorization === undefined) throw unauthorized(ctx);
    answerJson(ctx, 200, {});
  };
  router.head('/v2', handle).get('/v2', handle);
}
