import { hash } from 'node:crypto';

/** Markup whose every value is escaped. */
export interface Html {
  readonly html: string;
}

/** Markup with values in it: texts are escaped, markup and lists of markup stand as they are. */
export function html(
  parts: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  return { html: parts.map((part, index) => part + markupOf(values[index] ?? '')).join('') };
}

function markupOf(value: string | Html | readonly Html[]): string {
  if (typeof value === 'string') return escaped(value);
  return 'html' in value ? value.html : value.map((one) => one.html).join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#222}' +
  'code,pre{font:.9rem ui-monospace,monospace;background:#f2f2f2;padding:.2rem .4rem;overflow-wrap:anywhere;white-space:pre-wrap}' +
  'button,input{font:inherit;padding:.3rem .8rem}a{color:#0550ae}';

/** A whole page. */
export function wholePage(title: string, body: Html): string {
  const { html: head } = html`<title>${title} - Berth</title>`;
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light">${head}<style>${STYLE}</style></head><body><main>${body.html}</main></body></html>`;
}

/** Headers of every page: no script runs, nothing is loaded, nobody frames it, nothing keeps it. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = Object.freeze({
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
});
