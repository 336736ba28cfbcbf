import type { RequestContext } from '../request-context.ts';

/**
 * A path of this API as its clients write it, such as `/v2/team/app/blobs/sha256:…` for `team/app/blobs/sha256:…`.
 * Without scheme and host: every client reads that, whatever proxies lie between.
 */
export function registryPath(ctx: RequestContext, rest: string): string {
  return `${ctx.state.pathPrefix}/v2/${rest}`;
}
