import { showPage } from '../login/answer-page.ts';
import { formField } from '../login/forms.ts';
import { type Html, html, type Value } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';

/** The question before something is destroyed. */
export interface Question {
  readonly title: string;
  /** The consequences. */
  readonly text: Value;
  /** The text of the button, a verb. */
  readonly verb: string;
  /** The target of its form; by default the address of the question. */
  readonly action?: string;
  /** The target of "Cancel". */
  readonly back: string;
  /** Fields of the form. */
  readonly fields?: Html;
}

/**
 * Asks before something is destroyed: on a page of its own, which the module shows as a dialog over the page with its
 * link.
 */
export function askBefore(ctx: RequestContext, terms: Question): void {
  const { action = ctx.url, back, fields, text, title, verb } = terms;
  showPage(ctx, {
    title,
    narrow: true,
    main: html`<section data-question><h1>${title}</h1>${text}
<form method="post" action="${action}">${formField(ctx)}${fields}
<p class="actions"><button class="main bad">${verb}</button><a class="button" data-close href="${back}">Cancel</a></p></form></section>`,
  });
}

/** Returns a link to a question. */
export function askingLink(href: string, text: string): Html {
  return html`<a class="button bad" href="${href}" data-dialog>${text}</a>`;
}
