import { formField } from '../../login/forms.ts';
import type { Html } from '../../markup/html.ts';
import { html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import type { MadeSecret } from '../credential-parts.ts';
import type { Question } from '../question.ts';

/** The values of a refused form; empty for a page that was opened. */
export interface Draft {
  /** The value of a field, or what it is before anybody writes. */
  value(name: string, usual?: string): string;
}

/** What a form of a section does. */
export interface SectionAction {
  /** Asks first: for what destroys something. */
  ask?(ctx: RequestContext): Question;
  /** Does it, by the management API. `read` gives the fields of the form, or '' for those that it does not have. */
  run(ctx: RequestContext, api: ApiCalls, read: (name: string) => string): Promise<MadeSecret | undefined>;
  /** What is said when it is done. */
  readonly done: string;
  /** The page on which it goes on: of the section unless given. */
  next?(ctx: RequestContext, read: (name: string) => string): string;
  /** Whether its form is on the page of the section, which shows a refusal and what was written, although it goes on elsewhere. */
  readonly isOnList?: boolean;
}

/** A page that lists things, and the forms that it has. */
export interface Section {
  /** Its path, below the prefix of the server. */
  readonly path: string;
  readonly title: string;
  readonly lead: string;
  show(ctx: RequestContext, api: ApiCalls, draft: Draft): Promise<Html>;
  /** Pages about one of the things that the section lists, by their place below the section. */
  readonly details?: Readonly<Record<string, (ctx: RequestContext, api: ApiCalls) => Promise<Html>>>;
  readonly actions: Readonly<Record<string, SectionAction>>;
}

/** A form of one button. */
export function buttonForm(ctx: RequestContext, action: string, text: string): Html {
  return html`<form method="post" action="${action}">${formField(ctx)}<button>${text}</button></form>`;
}

/** A form with the field that proves where it came from. */
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
