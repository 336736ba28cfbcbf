import { AUDIT_ACTIONS, AUDIT_OUTCOMES } from '../../../storage/catalog/audit-catalog.ts';
import { answerStream } from '../../http/answer.ts';
import { showPage } from '../../login/answer-page.ts';
import { type Html, html } from '../../markup/html.ts';
import type { RequestContext, RequestRouter } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { csvLine } from '../csv.ts';
import { shortDigest, timeOf } from '../format.ts';
import { asked, pathOf, requireLogin } from '../page-context.ts';
import { empty, pageHead, pager, table } from '../parts.ts';
import { adminTabs } from './admin-tabs.ts';

/** Events of a page, and of one read of an export, which ends after a maximum. */
const ON_PAGE = 100;
const AT_ONCE = 1000;
const LONGEST_EXPORT = 100_000;

const FILTERS = ['repository', 'who', 'action', 'outcome', 'since', 'until'] as const;

interface Event {
  readonly id: string;
  readonly at: string;
  readonly who?: string;
  readonly address?: string;
  readonly action: string;
  readonly outcome: string;
  readonly repository?: string;
  readonly digest?: string;
  readonly tag?: string;
  readonly detail?: string;
  readonly count: number;
}

interface Page {
  readonly events: readonly Event[];
  readonly next: string | null;
}

/** Adds the audit log: a page, and the same as CSV. */
export function addAuditPages(router: RequestRouter, api: ApiCalls): void {
  router.get('/admin/audit', async (ctx) => {
    requireLogin(ctx);
    const filter = filterOf(ctx);
    const before = asked(ctx, 'before');
    const query = { ...filter, limit: String(ON_PAGE), ...(before !== '' && { before }) };
    const { events, next } = await api.call<Page>(ctx, 'listAudit', { query });
    const list =
      events.length === 0 ? empty('Nothing found', html`<p>No event matches.</p>`) : eventsTable(events);
    showPage(ctx, {
      title: 'Audit',
      main: html`${pageHead('Administration', { lead: 'Who did what, and what was refused.' })}${adminTabs(ctx, 'audit')}
${filterForm(ctx)}${list}${pager(
  before === '' ? undefined : pathOf(ctx, '/admin/audit', filter),
  next === null ? undefined : pathOf(ctx, '/admin/audit', { ...filter, before: next }),
)}`,
    });
  });

  router.get('/admin/audit.csv', async (ctx) => {
    requireLogin(ctx);
    const filter = filterOf(ctx);
    const first = await api.call<Page>(ctx, 'listAudit', { query: { ...filter, limit: String(AT_ONCE) } });
    answerStream(ctx, csvOf(ctx, api, filter, first), {
      'Content-Type': 'text/csv; charset=utf-8',
      'Content-Disposition': 'attachment; filename="audit.csv"',
      'Cache-Control': 'no-store',
    });
  });
}

function filterOf(ctx: RequestContext): Readonly<Record<string, string>> {
  const given = FILTERS.map((name) => [name, asked(ctx, name)] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}

function filterForm(ctx: RequestContext): Html {
  const field = (name: (typeof FILTERS)[number], label: string, hint: string) =>
    html`<div><label for="${name}">${label}</label><input id="${name}" name="${name}" type="text" value="${asked(ctx, name)}" placeholder="${hint}" autocomplete="off"></div>`;
  const choice = (name: (typeof FILTERS)[number], label: string, values: readonly string[]) => {
    const options = ['', ...values].map(
      (value) =>
        html`<option value="${value}"${value === asked(ctx, name) ? html` selected` : ''}>${value === '' ? 'any' : value}</option>`,
    );
    return html`<div><label for="${name}">${label}</label><select id="${name}" name="${name}">${options}</select></div>`;
  };
  return html`<form class="filter" method="get" action="${pathOf(ctx, '/admin/audit')}">
${field('repository', 'Repository', 'team/*')}${field('who', 'Who', 'a name')}${choice('action', 'Action', AUDIT_ACTIONS)}${choice('outcome', 'Outcome', AUDIT_OUTCOMES)}${field('since', 'Since', '7d or 2026-11-27')}${field('until', 'Until', '2026-11-28')}
<button class="main">Filter</button><a class="button" href="${pathOf(ctx, '/admin/audit.csv', filterOf(ctx))}" download>CSV</a></form>`;
}

function eventsTable(events: readonly Event[]): Html {
  const rows = events.map((event) => [
    timeOf(event.at),
    html`${event.who ?? html`<span class="soft">nobody</span>`}${event.address !== undefined && html`<span class="small">${event.address}</span>`}`,
    html`${event.action} <span class="tag ${event.outcome === 'done' ? '' : 'warn'}">${event.outcome}</span>`,
    whatOf(event),
  ]);
  return table(
    'Audit',
    [{ head: 'When' }, { head: 'Who' }, { head: 'Action' }, { head: 'What', kind: 'text' }],
    rows,
    { stacks: true },
  );
}

function whatOf({ count, detail, digest, repository, tag }: Event): Html {
  const name = repository !== undefined && html`<code>${repository}${tag !== undefined && `:${tag}`}</code>`;
  const short = tag === undefined && digest !== undefined && html` <code>${shortDigest(digest)}</code>`;
  return html`${name}${short}${detail !== undefined && html`<span class="small">${detail}</span>`}${count > 1 && html` <span class="tag">×${count}</span>`}`;
}

const COLUMNS = [
  'id',
  'at',
  'who',
  'address',
  'action',
  'outcome',
  'repository',
  'tag',
  'digest',
  'detail',
  'count',
] as const;

/** Yields CSV (RFC 4180). Continues while the browser reads, up to LONGEST_EXPORT events. */
async function* csvOf(
  ctx: RequestContext,
  api: ApiCalls,
  filter: Readonly<Record<string, string>>,
  first: Page,
): AsyncGenerator<string, void, undefined> {
  yield csvLine(COLUMNS);
  let page = first;
  for (let shown = 0; ; ) {
    yield page.events.map((event) => csvLine(COLUMNS.map((name) => event[name]))).join('');
    shown += page.events.length;
    if (page.next === null || shown >= LONGEST_EXPORT || ctx.state.signal.aborted) return;
    const query = { ...filter, limit: String(AT_ONCE), before: page.next };
    page = await api.call<Page>(ctx, 'listAudit', { query });
  }
}
