import { assetPath } from './assets.ts';
import { type Html, html } from './html.ts';

/** A link at the top of every page. */
export interface TopLink {
  readonly href: string;
  readonly text: string;
  /** Whether the page belongs to it. */
  readonly isCurrent?: boolean;
}

/** The frame of a page. */
export interface Frame {
  /** Prefix of every path of this server; '' for none. */
  readonly prefix: string;
  readonly home: string;
  readonly links: readonly TopLink[];
  /** The logged-in user, or how to log in. */
  readonly who: Html;
  /** The clients' name for this registry. */
  readonly host: string;
  /** Path of its documents; absent if they are not served. */
  readonly documents?: string;
}

export interface PageContent {
  readonly title: string;
  readonly main: Html;
  /** For a page with one short form. */
  readonly narrow?: boolean;
}

/** The icon beside the name, equal to berth.svg: browsers would request a separate file twice. */
const MARK = html`<svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0b5c7d"/><path fill="#fff" d="M9 7h6v5H9zm8 0h6v5h-6zM9 14h14l2 1-3 6H10l-3-6z"/><path d="M6 25c2 0 2-1.5 4-1.5s2 1.5 4 1.5 2-1.5 4-1.5 2 1.5 4 1.5 2-1.5 4-1.5" fill="none" stroke="#8fd3ec" stroke-width="1.8" stroke-linecap="round"/></svg>`;

/** Renders a whole page: UTF-8, one stylesheet, one module and one icon, all from this server. */
export function wholeDocument({ title, main, narrow = false }: PageContent, frame: Frame): string {
  const { documents, home, host, links, prefix, who } = frame;
  const nav = links.map(
    ({ href, isCurrent = false, text }) =>
      html`<a href="${href}"${isCurrent ? html` aria-current="true"` : ''}>${text}</a>`,
  );
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Berth</title>
<link rel="icon" type="image/svg+xml" href="${prefix + assetPath('svg')}">
<link rel="stylesheet" href="${prefix + assetPath('css')}">
<script type="module" src="${prefix + assetPath('js')}"></script></head>
<body><a class="skip" href="#content">Skip to the content</a>
<header class="top"><div><a class="brand" href="${home}">${MARK}Berth</a>
<nav aria-label="Main">${nav}</nav><div class="who">${who}</div></div></header>
<main id="content" class="${narrow ? 'narrow' : ''}">${main}</main>
<footer class="foot">${host}${documents !== undefined && html` · <a href="${documents}">Documentation</a>`}</footer></body></html>`;
  return String(page);
}

/**
 * Headers of every page: resources and requests only from and to this server, no inline script or style, no framing,
 * and no caching.
 */
export const DOCUMENT_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'same-origin',
  Vary: 'Accept, Accept-Encoding, Cookie',
  'X-Frame-Options': 'DENY',
});
