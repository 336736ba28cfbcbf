import { errorAnswer } from '../../errors.ts';
import { showPage } from '../../login/answer-page.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext, RequestRouter } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { showSecret } from '../credential-parts.ts';
import { asked, goTo, pathOf, readFields, requireLogin } from '../page-context.ts';
import type { PageDependencies } from '../page-dependencies.ts';
import { notice, pageHead } from '../parts.ts';
import { askBefore } from '../question.ts';
import { GRANTS, JOBS, ROBOTS } from './access-sections.ts';
import type { AdminAction, AdminSection, Draft } from './admin-section.ts';
import { adminTabs } from './admin-tabs.ts';
import { addAuditPages } from './audit-pages.ts';
import { addHealthPage } from './health-page.ts';
import { PROVIDERS, QUOTAS, RefusedError, TAG_RULES, WEBHOOKS } from './settings-sections.ts';
import { TEAMS } from './teams-section.ts';
import { USERS } from './users-section.ts';

const SECTIONS: readonly AdminSection[] = [
  USERS,
  TEAMS,
  GRANTS,
  ROBOTS,
  JOBS,
  PROVIDERS,
  WEBHOOKS,
  TAG_RULES,
  QUOTAS,
];

const NOTHING_WRITTEN: Draft = { value: (_name, usual = '') => usual };

/** The administration. Who may see and do what, the management API decides. */
export function addAdminPages(router: RequestRouter, api: ApiCalls, dependencies: PageDependencies): void {
  router.get('/admin', (ctx) => goTo(ctx, pathOf(ctx, '/admin/users')));
  addAuditPages(router, api);
  addHealthPage(router, dependencies);
  for (const section of SECTIONS) addSection(router, api, section);
}

function addSection(router: RequestRouter, api: ApiCalls, section: AdminSection): void {
  const base = `/admin/${section.path}`;
  router.get(base, async (ctx) => {
    requireLogin(ctx);
    await showSection(ctx, api, section, NOTHING_WRITTEN);
  });
  for (const [name, show] of Object.entries(section.details ?? {})) {
    router.get(`${base}/${name}`, async (ctx) => {
      requireLogin(ctx);
      const content = await show(ctx, api);
      showPage(ctx, {
        title: section.title,
        main: html`${adminTabs(ctx, section.path)}${doneNotice(ctx, section)}${content}`,
      });
    });
  }
  for (const [name, action] of Object.entries(section.actions)) {
    addAction(router, api, section, { name, action });
  }
}

function addAction(
  router: RequestRouter,
  api: ApiCalls,
  section: AdminSection,
  { action, name }: { readonly name: string; readonly action: AdminAction },
): void {
  const path = `/admin/${section.path}/${name}`;
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
      const back = action.next?.(ctx) ?? pathOf(ctx, `/admin/${section.path}`);
      if (made !== undefined) showSecret(ctx, { ...made, back });
      else goTo(ctx, `${back}${back.includes('?') ? '&' : '?'}done=${name}`);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined || action.ask !== undefined || action.next !== undefined) throw error;
      const draft: Draft = { value: (field, usual = '') => read(field) || usual };
      await showSection(ctx, api, section, draft, refusal);
    }
  });
}

interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Why a form was refused, if whoever sent it can mend it. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof RefusedError) return { status: 502, message: error.message };
  const { body, status } = errorAnswer(error);
  const [{ message }] = body.errors;
  return status >= 400 && status < 500 && status !== 401 && status !== 403 ? { status, message } : undefined;
}

async function showSection(
  ctx: RequestContext,
  api: ApiCalls,
  section: AdminSection,
  draft: Draft,
  refusal?: Refusal,
): Promise<void> {
  const content = await section.show(ctx, api, draft);
  showPage(ctx, {
    title: section.title,
    ...(refusal !== undefined && { status: refusal.status }),
    main: html`${pageHead('Administration', { lead: section.lead })}${adminTabs(ctx, section.path)}
${refusal !== undefined && notice('bad', refusal.message)}${doneNotice(ctx, section)}${content}`,
  });
}

function doneNotice(ctx: RequestContext, { actions }: AdminSection): Html {
  const name = ctx.method === 'GET' ? asked(ctx, 'done') : '';
  const done = Object.hasOwn(actions, name) ? actions[name]?.done : undefined;
  return done === undefined ? html`` : notice('good', done);
}
