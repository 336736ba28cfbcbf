import { html } from '../../markup/html.ts';
import type { RequestRouter } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { goTo, pathOf } from '../page-context.ts';
import type { PageDependencies } from '../page-dependencies.ts';
import { pageHead } from '../parts.ts';
import { addSection, type SectionHead } from '../section/add-section.ts';
import type { Section } from '../section/section.ts';
import { GRANTS, JOBS, ROBOTS } from './access-sections.ts';
import { adminTabs } from './admin-tabs.ts';
import { addAuditPages } from './audit-pages.ts';
import { addHealthPage } from './health-page.ts';
import { PROVIDERS, QUOTAS, TAG_RULES, WEBHOOKS } from './settings-sections.ts';
import { TEAMS } from './teams-section.ts';
import { USERS } from './users-section.ts';

const SECTIONS: readonly Section[] = [
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

const head: SectionHead = (ctx, { lead, path }, detail) => {
  const tabs = adminTabs(ctx, path.replace('/admin/', ''));
  return detail ? tabs : html`${pageHead('Administration', { lead })}${tabs}`;
};

/** Adds the administration. The management API decides who may see and do what. */
export function addAdminPages(router: RequestRouter, api: ApiCalls, dependencies: PageDependencies): void {
  router.get('/admin', (ctx) => goTo(ctx, pathOf(ctx, '/admin/users')));
  addAuditPages(router, api);
  addHealthPage(router, dependencies);
  for (const section of SECTIONS) addSection(router, api, section, head);
}
