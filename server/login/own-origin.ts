import { isLoopback } from '../../lib/http/addresses.ts';
import { RegistryError } from '../errors.ts';
import { isHost } from '../http/forwarded.ts';
import type { RequestContext } from '../request-context.ts';

/**
 * Returns the browser's URL of this server, such as `https://registry.example`. Throws DENIED when the connection is
 * not private.
 */
export function ownOrigin(ctx: Pick<RequestContext, 'state'>): string {
  const url = calledAs(ctx);
  if (url === null || (url.protocol === 'http:' && !isLoopback(url.hostname))) {
    throw new RegistryError(
      'DENIED',
      'logging in with a browser needs https: use the https address of this registry; if a proxy ends https, name it with --trusted-proxy',
    );
  }
  return url.origin;
}

function calledAs({ state: { origin } }: Pick<RequestContext, 'state'>): URL | null {
  return isHost(origin.host) ? URL.parse(`${origin.protocol}://${origin.host}`) : null;
}

/**
 * Reports whether a page of another site, or of another port of this host, has sent a request, by headers that pages
 * cannot change (Fetch standard, "Origin header"; Fetch Metadata, "Sec-Fetch-Site").
 */
export function isCrossSite(ctx: RequestContext): boolean {
  const { origin } = ctx.req.headers;
  if (origin !== undefined && origin !== calledAs(ctx)?.origin) return true;
  return !['', 'same-origin', 'none'].includes(ctx.get('Sec-Fetch-Site'));
}

/** Validates the destination after a login: a path of this server; undefined for anything else. */
export function returnPath(text: string | undefined, pathPrefix: string): string | undefined {
  if (text === undefined || text.length > 1024 || !/^\/(?![/\\])[\x21-\x7e]*$/.test(text)) return undefined;
  const base = 'https://berth.invalid';
  const url = URL.parse(text, base);
  if (url === null || url.origin !== base || url.pathname.startsWith('//')) return undefined;
  return url.pathname.startsWith(`${pathPrefix}/`) ? `${url.pathname}${url.search}` : undefined;
}
