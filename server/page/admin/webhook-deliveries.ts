import { type Html, html } from '../../markup/html.ts';
import type { RequestContext } from '../../request-context.ts';
import type { ApiCalls } from '../api-calls.ts';
import { counted, formatCount, timeOf } from '../format.ts';
import { longText } from '../manifest-page.ts';
import { asked } from '../page-context.ts';
import { empty, pageHead, pairs, table } from '../parts.ts';
import { askingLink } from '../question.ts';
import { buttonForm } from '../section/section.ts';
import { sectionPath } from './admin-tabs.ts';

/** A receiver of events, as the management API lists it. */
export interface Webhook {
  readonly name: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly pattern: string;
  readonly waiting: number;
  readonly dropped: number;
  readonly deliveredAt: string | null;
  readonly failedAt: string | null;
  readonly failure: string | null;
}

interface Delivery {
  readonly action: string;
  readonly repository: string;
  readonly tag: string | null;
  readonly attempts: number;
  readonly triedAt: string;
  readonly failure: string | null;
}

/** Shows the page of a webhook: its latest deliveries, and why some failed. */
export async function showDeliveries(ctx: RequestContext, api: ApiCalls): Promise<Html> {
  const name = asked(ctx, 'name');
  const { deliveries } = await api.call<{ readonly deliveries: readonly Delivery[] }>(
    ctx,
    'listWebhookDeliveries',
    { params: { name } },
  );
  const { webhooks } = await api.call<{ readonly webhooks: readonly Webhook[] }>(ctx, 'listWebhooks');
  const webhook = webhooks.find((one) => one.name === name);
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
    lead: 'The latest deliveries. Failed ones are retried.',
    actions: html`${buttonForm(ctx, sectionPath(ctx, 'webhooks/test', { name }), 'Test')}${askingLink(sectionPath(ctx, 'webhooks/remove', { name }), 'Remove')}`,
  })}${webhook && settings(webhook)}${
    rows.length === 0
      ? empty('No deliveries yet', html`<p>Events are listed here when they were sent.</p>`)
      : table(`Deliveries of ${name}`, columns, rows, { stacks: true })
  }`;
}

function settings({ dropped, events, pattern, url, waiting }: Webhook): Html {
  return html`<div class="sheet">${pairs([
    ['Address', longText(url)],
    ['Events', events.join(', ')],
    ['Repositories', html`<code>${pattern}</code>`],
    ['Waiting', counted(waiting, 'event')],
    ...(dropped > 0 ? [['Dropped', counted(dropped, 'event')] as const] : []),
  ])}</div>`;
}
