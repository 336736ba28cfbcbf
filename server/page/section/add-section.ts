import { errorAnswer } from '../../errors.ts';
import { asSentence, showPage } from '../../login/answer-page.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext, RequestRouter } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { showSecret } from '../credential-parts.ts';
import { asked, goTo, pathOf, readFields, requireLogin } from '../page-context.ts';
import { notice } from '../parts.ts';
import { askBefore } from '../question.ts';
import type { Draft, Section, SectionAction } from './section.ts';

const NOTHING_WRITTEN: Draft = { value: (_name, usual = '') => usual };

/** The action of a form failed, for a reason that the page shows. */
export class RefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RefusedError';
  }
}

/** Returns the head of a section's pages. `detail` is for a page about one thing. */
export type SectionHead = (ctx: RequestContext, section: Section, detail: boolean) => Html;

/**
 * Serves a section: its list, the pages about one thing, the questions and the forms. The API decides who may do what.
 */
export function addSection(router: RequestRouter, api: ApiCalls, section: Section, head: SectionHead): void {
  const base = section.path;
  router.get(base, async (ctx) => {
    requireLogin(ctx);
    await showSection(ctx, { api, section, head, draft: NOTHING_WRITTEN });
  });
  for (const [name, show] of Object.entries(section.details ?? {})) {
    router.get(`${base}/${name}`, async (ctx) => {
      requireLogin(ctx);
      const content = await show(ctx, api);
      showPage(ctx, {
        title: section.title,
        main: html`${head(ctx, section, true)}${doneNotice(ctx, section)}${content}`,
      });
    });
  }
  for (const [name, action] of Object.entries(section.actions)) {
    addAction(router, api, { section, head, name, action });
  }
}

function addAction(
  router: RequestRouter,
  api: ApiCalls,
  { action, head, name, section }: ServedSection & { readonly name: string; readonly action: SectionAction },
): void {
  const path = `${section.path}/${name}`;
  const { ask } = action;
  if (ask !== undefined) {
    router.get(path, (ctx) => {
      requireLogin(ctx);
      askBefore(ctx, ask(ctx));
    });
  }
  router.post(path, async (ctx) => {
    requireLogin(ctx);
    const read = await readFields(ctx);
    try {
      const made = await action.run(ctx, api, read);
      const back = action.next?.(ctx, read) ?? pathOf(ctx, section.path);
      if (made !== undefined) showSecret(ctx, { ...made, back });
      else goTo(ctx, `${back}${back.includes('?') ? '&' : '?'}done=${name}`);
    } catch (error) {
      const refusal = refusalOf(error);
      const isOnList = action.isOnList ?? (action.ask === undefined && action.next === undefined);
      if (refusal === undefined || !isOnList) throw error;
      const draft: Draft = { value: (field, usual = '') => read(field) || usual };
      await showSection(ctx, { api, section, head, draft, refusal });
    }
  });
}

interface ServedSection {
  readonly section: Section;
  readonly head: SectionHead;
}

interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Returns why a form was refused, if its sender can correct it. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof RefusedError) return { status: 502, message: error.message };
  const { body, status } = errorAnswer(error);
  const [{ message }] = body.errors;
  return status >= 400 && status < 500 && status !== 401 && status !== 403 ? { status, message } : undefined;
}

async function showSection(
  ctx: RequestContext,
  {
    api,
    draft,
    head,
    refusal,
    section,
  }: ServedSection & {
    readonly api: ApiCalls;
    readonly draft: Draft;
    readonly refusal?: Refusal;
  },
): Promise<void> {
  const content = await section.show(ctx, api, draft);
  showPage(ctx, {
    title: section.title,
    ...(refusal !== undefined && { status: refusal.status }),
    main: html`${head(ctx, section, false)}
${refusal !== undefined && notice('bad', asSentence(refusal.message))}${doneNotice(ctx, section)}${content}`,
  });
}

function doneNotice(ctx: RequestContext, { actions }: Section): Html {
  const name = ctx.method === 'GET' ? asked(ctx, 'done') : '';
  const done = Object.hasOwn(actions, name) ? actions[name]?.done : undefined;
  return done === undefined ? html`` : notice('good', done);
}
