import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { formatCount, timeOf } from '../format.ts';
import { asked } from '../page-context.ts';
import { empty, pageHead, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { buttonForm } from '../section/section.ts';
import { sectionPath } from './admin-tabs.ts';

interface Delivery {
  readonly action: string;
  readonly repository: string;
  readonly tag: string | null;
  readonly attempts: number;
  readonly triedAt: string;
  readonly failure: string | null;
}

/** The page of a webhook: its latest deliveries, and why those failed that did. */
export async function showDeliveries(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const name = asked(ctx, 'name');
  const { deliveries } = await api.call<{ readonly deliveries: readonly Delivery[] }>(
    ctx,
    'listWebhookDeliveries',
    { params: { name } },
  );
  const rows = deliveries.map(({ action, attempts, failure, repository, tag, triedAt }) => [
    html`${action}<span class="small">${repository}${tag !== null && `:${tag}`}</span>`,
    failure === null
      ? html`<span class="tag good">delivered</span>`
      : html`<span class="tag bad">failed</span> <span class="small">${failure}</span>`,
    timeOf(triedAt),
    formatCount(attempts),
  ]);
  const columns = [
    { head: 'Event', kind: 'text' },
    { head: 'Delivery', kind: 'text' },
    { head: 'Tried' },
    { head: 'Attempts', kind: 'wide number' },
  ] as const;
  return html`${pageHead(name, {
    crumbs: [{ href: sectionPath(ctx, 'webhooks'), text: 'Webhooks' }],
    lead: 'The latest deliveries. One that failed is tried again.',
    actions: html`${buttonForm(ctx, sectionPath(ctx, 'webhooks/test', { name }), 'Test')}${askingLink(sectionPath(ctx, 'webhooks/remove', { name }), 'Remove')}`,
  })}${
    rows.length === 0
      ? empty('No deliveries yet', html`<p>Events are listed here when they were sent.</p>`)
      : table(`Deliveries of ${name}`, columns, rows)
  }`;
}
