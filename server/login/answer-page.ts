import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import { allowsAction, isAdmin } from '../../auth/access/rights.ts';
import { LoginRefusedError } from '../../auth/errors.ts';
import { requestIdOf } from '../../lib/http/request-id.ts';
import { refusalOf } from '../audit/refusal-of.ts';
import type { Refusal } from '../audit/refusals.ts';
import { errorAnswer } from '../errors.ts';
import { answerBytes, answerEmpty } from '../http/answer.ts';
import { matchesEntityTag } from '../http/conditional.ts';
import { shortPath } from '../log.ts';
import { DOCUMENT_HEADERS, type Frame, type TopLink, wholeDocument } from '../markup/document.ts';
import { type Html, html } from '../markup/html.ts';
import type { RequestContext, RequestState } from '../request-context.ts';
import { sessionField } from './forms.ts';

/** Minimum bytes of a page that is compressed: below, it saves no packet. */
const WORTH_COMPRESSING = 1400;

export interface PageAnswer {
  readonly title: string;
  readonly main: Html;
  readonly status?: number;
  /** For a page with one short form. */
  readonly narrow?: boolean;
  /** Whether browsers cache it and revalidate each time. Only for pages without secrets. */
  readonly kept?: boolean;
}

/** Answers with a page, compressed if the browser supports it. */
export function showPage(ctx: RequestContext, { kept = false, status = 200, ...content }: PageAnswer): void {
  const page = Buffer.from(wholeDocument(content, frameOf(ctx)));
  const keeping = kept ? keepingOf(page) : undefined;
  if (keeping !== undefined && matchesEntityTag(ctx.get('If-None-Match'), keeping.ETag.slice(3, -1))) {
    answerEmpty(ctx, 304, keeping);
    return;
  }
  const compress = page.byteLength > WORTH_COMPRESSING && /\bgzip\b/.test(ctx.get('Accept-Encoding'));
  answerBytes(ctx, status, compress ? gzipSync(page, { level: 5 }) : page, {
    ...DOCUMENT_HEADERS,
    ...keeping,
    ...(compress && { 'Content-Encoding': 'gzip' }),
  });
}

/** Headers for caching. The tag is weak: the page is the same whether it is compressed or not. */
function keepingOf(page: Buffer) {
  const digest = createHash('sha256').update(page).digest('base64url').slice(0, 22);
  return { 'Cache-Control': 'private, no-cache', ETag: `W/"${digest}"` };
}

/** Answers with a page of text and small forms. */
export function answerPage(ctx: RequestContext, status: number, title: string, main: Html): void {
  showPage(ctx, { status, title, main, narrow: true });
}

/** Returns the frame of a request's pages. */
function frameOf(ctx: RequestContext): Frame {
  const { offers, origin, pathPrefix: prefix, session } = ctx.state;
  const { fleet = false, logins = true, pages = false } = offers ?? {};
  const links: TopLink[] = [];
  const add = (path: string, text: string, paths: readonly string[]) => {
    const here = ctx.path.slice(prefix.length);
    const isCurrent = paths.some((one) => here === one || here.startsWith(`${one}/`));
    links.push({ href: prefix + path, text, isCurrent });
  };
  if (pages) add('/', 'Repositories', ['/', '/repositories', '/tags']);
  if (pages && fleet && session !== undefined) add('/apps', 'Apps', ['/apps']);
  if (pages && fleet && session !== undefined && allowsAction(session.identity.rights, '*', 'pull')) {
    add('/hosts', 'Hosts', ['/hosts']);
  }
  if (pages && session !== undefined && isAdmin(session.identity.rights)) {
    add('/admin', 'Administration', ['/admin']);
  }
  return {
    prefix,
    links,
    home: pages ? `${prefix}/` : `${prefix}/auth/`,
    host: origin.host,
    ...(pages && { documents: `${prefix}/docs/` }),
    who: logins ? whoOf(ctx, pages) : html``,
  };
}

function whoOf(ctx: RequestContext, pages: boolean): Html {
  const { pathPrefix: prefix, session } = ctx.state;
  if (session !== undefined) {
    return html`<a href="${prefix}${pages ? '/account' : '/auth/'}">${session.name}</a>
<form id="logout" method="post" action="${prefix}/auth/logout">${sessionField(session.secret)}<button class="plain">Log out</button></form>`;
  }
  if (ctx.path.startsWith(`${prefix}/auth/`)) return html``;
  const back = new URLSearchParams({ return: ctx.method !== 'POST' ? ctx.url : `${prefix}/` });
  return html`<a class="button" href="${prefix}/auth/?${back.toString()}">Log in</a>`;
}

/** Turns errors of later steps into pages with a message; errors of the server are logged. */
export function answerErrorsAsPages(
  log: Logger,
  note: (refusal: Refusal) => void = () => {},
): Middleware<RequestState> {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (ctx.state.signal.aborted) throw error;
      showError(ctx as RequestContext, error, { log, note });
    }
  };
}

interface ErrorListeners {
  readonly log: Logger;
  readonly note: (refusal: Refusal) => void;
}

/** Answers with a page that explains an error in a sentence. */
export function showError(ctx: RequestContext, error: unknown, { log, note }: ErrorListeners): void {
  const { status, body, headers } = errorAnswer(error);
  const requestId = requestIdOf(ctx.req);
  if (status >= 500) {
    log.error({ err: error, method: ctx.method, path: shortPath(ctx.path), requestId }, 'a request failed');
  }
  const [{ message }] = body.errors;
  const refusal = status === 401 || status === 403 ? refusalOf(ctx, status, message) : undefined;
  if (refusal !== undefined) note(refusal);
  const sentence = error instanceof LoginRefusedError ? error.message : message;
  const stays = status === 503 && html`<p>Existing tokens and sessions stay valid.</p>`;
  const named =
    status >= 500 && html`<p>The registry's log has more: request ID <code>${requestId}</code>.</p>`;
  const { pathPrefix: prefix, offers } = ctx.state;
  answerPage(
    ctx,
    status,
    TITLES[status] ?? 'This did not work',
    html`<h1>${TITLES[status] ?? 'This did not work'}</h1><p id="error">${asSentence(sentence)}</p>${stays}${named}
<p class="actions"><a class="button" href="${prefix}${offers?.pages ? '/' : '/auth/'}">Back to the start</a></p>`,
  );
  for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
  // A browser would ask for the password in a window of its own.
  ctx.remove('WWW-Authenticate');
}

const TITLES: Readonly<Record<number, string>> = {
  403: 'You may not do this',
  404: 'Not found',
  503: 'Not available right now',
};

/** Turns the message of an error, which has neither a capital nor a full stop, into a sentence. */
export function asSentence(message: string): string {
  // Names of images and the like stay as they are.
  const text = /^[a-z]+[ ,]/.test(message) ? message.slice(0, 1).toUpperCase() + message.slice(1) : message;
  return `${text}${/[.!?]$/.test(text) ? '' : '.'}`;
}
