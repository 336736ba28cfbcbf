import { formField } from '../../login/forms.ts';
import type { Html } from '../../markup/html.ts';
import { html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { pathOf } from '../page-context.ts';
import type { Question } from '../question.ts';

/** What somebody has written into a form that was refused; nothing of a page that was opened. */
export interface Draft {
  /** The value of a field, or what it is before anybody writes. */
  value(name: string, usual?: string): string;
}

/** A secret that is shown once, after which the page goes on. */
export interface MadeSecret {
  readonly title: string;
  readonly secret: string;
  /** Whose password it is, for a command. */
  readonly user?: string;
}

/** What a form of a section does. */
export interface AdminAction {
  /** Asks first: for what destroys something. */
  ask?(ctx: RequestContext): Question;
  /** Does it, by the management API. `read` gives the fields of the form, or '' for those that it does not have. */
  run(ctx: RequestContext, api: ApiCalls, read: (name: string) => string): Promise<MadeSecret | undefined>;
  /** What is said when it is done. */
  readonly done: string;
  /** The page on which it goes on: of the section unless given. */
  next?(ctx: RequestContext): string;
}

/** A page of the administration, and the forms that it has. */
export interface AdminSection {
  /** Its place below /admin/. */
  readonly path: string;
  readonly title: string;
  readonly lead: string;
  show(ctx: RequestContext, api: ApiCalls, draft: Draft): Promise<Html>;
  /** Pages about one of the things that the section lists, by their place below the section. */
  readonly details?: Readonly<Record<string, (ctx: RequestContext, api: ApiCalls) => Promise<Html>>>;
  readonly actions: Readonly<Record<string, AdminAction>>;
}

/** The path of an action, or of a page about one thing. */
export function sectionPath(
  ctx: RequestContext,
  place: string,
  query: Readonly<Record<string, string>> = {},
): string {
  return pathOf(ctx, `/admin/${place}`, query);
}

/** A form of one button. */
export function buttonForm(ctx: RequestContext, action: string, text: string): Html {
  return html`<form method="post" action="${action}">${formField(ctx)}<button>${text}</button></form>`;
}

/** A form with the field that proves where it came from. */
export function adminForm(
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
