import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import type { Refusal } from '../audit/refusals.ts';
import { RegistryError } from '../errors.ts';
import { answerBytes } from '../http/answer.ts';
import type { BrowserOffers, RequestContext, RequestState } from '../request-context.ts';
import type { PageDependencies } from './page-dependencies.ts';

const ASSET = /^\/assets\/([\w-]+\.[a-z]+)$/;
const DOCUMENT = /^\/docs(?:\/|$)/;
const PAGE = /^\/(?:(?:repositories|tags|account|admin|apps|hosts)(?:\/|$)|$)/;

export interface BrowserSurroundings {
  readonly offers: BrowserOffers;
  readonly pathPrefix: string;
  readonly log: Logger;
  readonly refused: (refusal: Refusal) => void;
}

/**
 * Answers browsers: with pages, also for errors, and with the files that pages load. The code of pages is loaded at the
 * first request for one. Requests that do not ask for HTML get the registry's usual answer.
 */
export function answerBrowsers(
  { offers, pathPrefix, log, refused }: BrowserSurroundings,
  pages: PageDependencies | undefined,
): { readonly before: Middleware<RequestState>; readonly routes: Middleware<RequestState> } {
  const isPage = (ctx: RequestContext) => pages !== undefined && asksForPage(ctx, pathPrefix);
  let opened: Promise<Middleware<RequestState>> | undefined;
  return {
    before: async (context, next) => {
      const ctx = context as RequestContext;
      if (pages !== undefined) refuseChanges(ctx, pathPrefix);
      if (await answerAsset(ctx, pathPrefix)) return;
      if (!isPage(ctx)) return next();
      ctx.state.offers = offers;
      try {
        await next();
      } catch (error) {
        if (ctx.state.signal.aborted) throw error;
        const { showError } = await import('../login/answer-page.ts');
        showError(ctx, error, { log, note: refused });
      }
    },
    routes: async (ctx, next) => {
      if (pages === undefined || !isPage(ctx as RequestContext)) return next();
      opened ??= import('./page-router.ts').then(({ createPageRouter }) => createPageRouter(pages));
      await (await opened)(ctx, next);
    },
  };
}

/**
 * Reports whether a browser opens a page or sends its form; other programs may read documents and their pictures too.
 */
function asksForPage(ctx: RequestContext, pathPrefix: string): boolean {
  if (!ctx.path.startsWith(pathPrefix)) return false;
  const path = ctx.path.slice(pathPrefix.length);
  if (DOCUMENT.test(path)) return ctx.method === 'GET' || ctx.method === 'HEAD';
  if (!PAGE.test(path)) return false;
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD' && ctx.method !== 'POST') return false;
  return ctx.get('Accept').includes('text/html');
}

/** Documents and the files of pages are only read. Throws METHOD_UNSUPPORTED. */
function refuseChanges(ctx: RequestContext, pathPrefix: string): void {
  if (['GET', 'HEAD', 'OPTIONS'].includes(ctx.method) || !ctx.path.startsWith(pathPrefix)) return;
  const path = ctx.path.slice(pathPrefix.length);
  if (!DOCUMENT.test(path) && !ASSET.test(path)) return;
  throw new RegistryError('METHOD_UNSUPPORTED', 'this address is only read', {
    headers: { Allow: 'GET, HEAD' },
  });
}

/** Answers with a file that pages load; its name is the hash of its content, so browsers cache it. */
async function answerAsset(ctx: RequestContext, pathPrefix: string): Promise<boolean> {
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return false;
  const [, name] = (ctx.path.startsWith(pathPrefix) && ASSET.exec(ctx.path.slice(pathPrefix.length))) || [];
  if (name === undefined) return false;
  const { findAsset } = await import('../markup/assets.ts');
  const asset = await findAsset(name);
  if (asset === undefined) return false;
  const accepted = ctx.get('Accept-Encoding');
  const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : undefined;
  const content = encoding === 'br' ? asset.brotli : encoding === 'gzip' ? asset.gzip : asset.content;
  answerBytes(ctx, 200, content, {
    'Content-Type': asset.type,
    'Content-Encoding': encoding,
    'Cache-Control': 'public, max-age=31536000, immutable',
    'Cross-Origin-Resource-Policy': 'same-origin',
    // An icon is a document too when somebody opens it.
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    Vary: 'Accept-Encoding',
  });
  return true;
}
