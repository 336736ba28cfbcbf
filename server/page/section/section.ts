import { formField } from '../../login/forms.ts';
import type { Html } from '../../markup/html.ts';
import { html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import type { MadeSecret } from '../credential-parts.ts';
import type { Question } from '../question.ts';

/** The values of a refused form; empty for a newly opened page. */
export interface Draft {
  /** Returns the value of a field, or its initial value. */
  value(name: string, usual?: string): string;
}

/** The action of a section's form. */
export interface SectionAction {
  /** Asks first, if the action destroys something. */
  ask?(ctx: RequestContext): Question;
  /** Performs the action, by the management API. `read` returns the fields of the form, or '' for missing ones. */
  run(ctx: RequestContext, api: ApiCalls, read: (name: string) => string): Promise<MadeSecret | undefined>;
  /** The message after success. */
  readonly done: string;
  /** Returns the page that follows; by default that of the section. */
  next?(ctx: RequestContext, read: (name: string) => string): string;
  /**
   * Whether its form is on the page of the section, which then shows a refusal and the input, although success leads
   * elsewhere.
   */
  readonly isOnList?: boolean;
}

/** A page that lists things, with its forms. */
export interface Section {
  /** Its path, below the prefix of the server. */
  readonly path: string;
  readonly title: string;
  readonly lead: string;
  show(ctx: RequestContext, api: ApiCalls, draft: Draft): Promise<Html>;
  /** Pages about one of the listed things, by their path below the section. */
  readonly details?: Readonly<Record<string, (ctx: RequestContext, api: ApiCalls) => Promise<Html>>>;
  readonly actions: Readonly<Record<string, SectionAction>>;
}

/** Renders a form of one button. */
export function buttonForm(ctx: RequestContext, action: string, text: string): Html {
  return html`<form method="post" action="${action}">${formField(ctx)}<button>${text}</button></form>`;
}

/** Renders a form with the field that proves its origin. */
export function sectionForm(
  ctx: RequestContext,
  {
    action,
    button,
    content,
    id,
    title,
  }: {
    readonly id: string;
    readonly title: string;
    readonly action: string;
    readonly button: string;
    readonly content: Html;
  },
): Html {
  return html`<section class="sheet"><h2>${title}</h2><form id="${id}" method="post" action="${action}">${formField(ctx)}${content}<button class="main">${button}</button></form></section>`;
}
