import { createHash } from 'node:crypto';
import { RegistryError } from '../../errors.ts';
import { answerReady } from '../../http/answer.ts';
import { showPage } from '../../login/answer-page.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import { asked, goTo, pathOf } from '../page-context.ts';
import { empty, pageHead } from '../parts.ts';
import { type DocumentSet, openDocuments } from './document-set.ts';
import { type FoundSection, searchDocuments } from './search-documents.ts';

/** Maximum characters of a search that count. */
const LONGEST_QUESTION = 200;

/** By the prefix of the server's paths, which is part of links. */
const opened = new Map<string, Promise<DocumentSet>>();

/**
 * Shows a document of this version below `/docs/`, a picture of one, or the index, which `?q=` searches. Documents are read once,
 * and looked up by name: no path of a request is opened. Throws ROUTE_UNKNOWN.
 */
export async function showDocument(ctx: RequestContext): Promise<void> {
  const { pathPrefix } = ctx.state;
  const reading = opened.get(pathPrefix) ?? openDocuments(pathPrefix);
  opened.set(pathPrefix, reading);
  const { documents, pictures } = await reading.catch((error: unknown) => {
    opened.delete(pathPrefix);
    throw error;
  });
  const home = pathOf(ctx, '/docs');
  if (ctx.path === home) return goTo(ctx, `${home}/`);
  const name = ctx.path.slice(home.length + 1);
  const picture = pictures.get(name);
  if (picture !== undefined) return answerPicture(ctx, picture);
  const document = documents.get(name);
  if (document === undefined)
    throw new RegistryError('ROUTE_UNKNOWN', 'there is no document at this address');
  const question = name === '' ? asked(ctx, 'q').slice(0, LONGEST_QUESTION) : '';
  const isIndex = name === '';
  const { content, title } = document;
  const body = html`<div class="sheet markdown">${content}</div>`;
  showPage(ctx, {
    title: question === '' ? title : `${question} · ${title}`,
    kept: true,
    main: html`${pageHead(title, isIndex ? {} : { crumbs: [{ href: `${home}/`, text: documents.get('')?.title ?? '' }] })}${searchForm(ctx, question)}${
      isIndex
        ? html`<div id="found" aria-live="polite">${question === '' ? body : list(ctx, question, searchDocuments(documents, question))}</div>`
        : body
    }`,
  });
}

function answerPicture(ctx: RequestContext, body: Buffer): void {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  answerReady(ctx, {
    headers: {
      'Content-Type': 'image/png',
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'Cross-Origin-Resource-Policy': 'same-origin',
      ETag: `"${digest}"`,
    },
    length: body.length,
    body,
  });
}

function searchForm(ctx: RequestContext, question: string): Html {
  return html`<form class="filter" role="search" method="get" action="${pathOf(ctx, '/docs/')}">
<div class="grow"><label for="q">Search the documents</label><input id="q" name="q" type="search" value="${question}" placeholder="Such as garbage collection" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="${LONGEST_QUESTION}"></div><button>Search</button></form>`;
}

function list(ctx: RequestContext, question: string, found: readonly FoundSection[]): Html {
  const all = html`<p><a href="${pathOf(ctx, '/docs/')}">All documents</a></p>`;
  if (found.length === 0) {
    return html`${empty('Nothing found', html`<p>No document has “${question}”.</p>`)}${all}`;
  }
  const entries = found.map(({ anchor, excerpt, heading, path, title }) => {
    const address = pathOf(ctx, `/docs/${path}`) + (anchor === '' ? '' : `#${anchor}`);
    const pieces = excerpt.map(({ isFound, text }) => (isFound ? html`<mark>${text}</mark>` : html`${text}`));
    return html`<h3><a href="${address}">${heading}</a></h3>${heading !== title && html`<p class="small soft">${title}</p>`}<p>${pieces}</p>`;
  });
  return html`<div class="sheet found"><h2>${found.length === 1 ? 'One section' : `${found.length} sections`}</h2>${entries}</div>${all}`;
}
