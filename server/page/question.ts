import { showPage } from '../login/answer-page.ts';
import { formField } from '../login/forms.ts';
import { type Html, html, type Value } from '../markup/html.ts';
import type { RequestContext } from '../request-context.ts';

/** What is asked before something is destroyed. */
export interface Question {
  readonly title: string;
  /** What becomes of it. */
  readonly text: Value;
  /** What the button says, as a verb. */
  readonly verb: string;
  /** Where its form is sent; the address of the question unless given. */
  readonly action?: string;
  /** Where "Cancel" leads. */
  readonly back: string;
  /** Fields of the form. */
  readonly fields?: Html;
}

/**
 * Asks before something is destroyed: a page of its own, which the module shows as a dialog over the page from which its link
 * leads here.
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

/** A link to a question. */
export function askingLink(href: string, text: string): Html {
  return html`<a class="button bad" href="${href}" data-dialog>${text}</a>`;
}
