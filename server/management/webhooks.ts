import { EntryExistsError, EntryUnknownError } from '../../auth/errors.ts';
import {
  WEBHOOK_EVENTS,
  type WebhookCatalog,
  type WebhookState,
} from '../../storage/catalog/webhook-catalog.ts';
import { ADMINS } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, integer, list, nullable, object, oneOf, optional, text, timestamp } from '../api/schema.ts';
import { testEvent } from '../webhooks/cloud-event.ts';
import type { Deliver } from '../webhooks/deliver.ts';
import { parseWebhook } from '../webhooks/parse-webhook.ts';
import type { RefuseReceiver } from '../webhooks/public-addresses.ts';
import { NAME, PATTERN } from './schemas.ts';

export interface WebhookRoutesDependencies {
  readonly webhooks: WebhookCatalog;
  readonly deliver: Deliver;
  readonly refuseReceiver: RefuseReceiver;
}

const EVENTS = list(oneOf(WEBHOOK_EVENTS));

const NEW_WEBHOOK = object(
  {
    name: NAME,
    url: text(),
    events: list(text({ enum: WEBHOOK_EVENTS })),
    pattern: PATTERN,
    secret: optional(
      text({ minLength: 16, maxLength: 256, writeOnly: true, description: 'Generated if absent' }),
    ),
  },
  { title: 'NewWebhook' },
);

const MADE_WEBHOOK = object(
  {
    name: text(),
    url: text(),
    events: EVENTS,
    pattern: PATTERN,
    secret: text({
      description:
        'Signs the events: X-Berth-Signature-256 is sha256= and the HMAC-SHA256 of X-Berth-Timestamp, a dot and the body; it is not shown again',
    }),
  },
  { title: 'MadeWebhook' },
);

const WEBHOOK = object(
  {
    name: text(),
    url: text(),
    events: EVENTS,
    pattern: PATTERN,
    waiting: integer({ description: 'Events that have not been delivered yet' }),
    dropped: integer({ description: 'Events that waited too long, or were too many' }),
    deliveredAt: nullable(timestamp()),
    failedAt: nullable(timestamp()),
    failure: nullable(text()),
  },
  { title: 'Webhook' },
);

const DELIVERY = object(
  {
    action: oneOf([...WEBHOOK_EVENTS, 'test']),
    repository: text(),
    tag: nullable(text()),
    attempts: integer(),
    triedAt: timestamp({ description: 'The last attempt' }),
    failure: nullable(text({ description: 'Error of the last attempt; null if it was delivered' })),
  },
  { title: 'WebhookDelivery' },
);

/** Receivers of events in repositories. */
export function webhookRoutes({
  webhooks,
  deliver,
  refuseReceiver,
}: WebhookRoutesDependencies): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/webhooks',
      id: 'listWebhooks',
      summary: 'Receivers of events',
      access: ADMINS,
      area: 'settings',
      answer: object({ webhooks: list(WEBHOOK) }),
      handle: async () => ({ webhooks: (await webhooks.list()).map(shown) }),
    }),
    route({
      method: 'POST',
      path: '/webhooks',
      id: 'createWebhook',
      summary: 'Add a receiver of events',
      description:
        'Events are CloudEvents in structured mode, sent at least once, those of a repository in order.',
      access: ADMINS,
      area: 'settings',
      body: NEW_WEBHOOK,
      status: 201,
      answer: MADE_WEBHOOK,
      errors: { 409: 'There is a webhook of this name already' },
      async handle({ body }) {
        const webhook = parseWebhook(body);
        await refuseReceiver(webhook.url);
        if (!(await webhooks.create(webhook))) {
          throw new EntryExistsError(`there is already a webhook ${webhook.name}: remove it first`);
        }
        return webhook;
      },
    }),
    route({
      method: 'DELETE',
      path: '/webhooks/{name}',
      id: 'removeWebhook',
      summary: 'Remove a receiver of events',
      description: 'Its waiting events are dropped.',
      access: ADMINS,
      area: 'settings',
      params: { name: 'The name of the webhook' },
      errors: { 404: 'There is no webhook of this name' },
      async handle({ params: { name } }) {
        if (!(await webhooks.remove(name))) throw unknownWebhook(name);
      },
    }),
    route({
      method: 'GET',
      path: '/webhooks/{name}/deliveries',
      id: 'listWebhookDeliveries',
      summary: 'The latest 50 events that were sent to a receiver',
      description: 'The latest first. Failed ones are retried.',
      access: ADMINS,
      area: 'settings',
      params: { name: 'The name of the webhook' },
      answer: object({ deliveries: list(DELIVERY) }),
      errors: { 404: 'There is no webhook of this name' },
      async handle({ params: { name } }) {
        const deliveries = await webhooks.deliveries(name);
        if (deliveries === undefined) throw unknownWebhook(name);
        return {
          deliveries: deliveries.map(({ failure, tag, triedAt, ...delivery }) => ({
            ...delivery,
            tag: tag ?? null,
            triedAt: triedAt.toISOString(),
            failure: failure ?? null,
          })),
        };
      },
    }),
    route({
      method: 'POST',
      path: '/webhooks/{name}/test',
      id: 'testWebhook',
      summary: 'Send an event of the type berth.test now',
      access: ADMINS,
      area: 'settings',
      params: { name: 'The name of the webhook' },
      answer: object({ delivered: boolean(), failure: nullable(text()) }),
      errors: { 404: 'There is no webhook of this name' },
      async handle({ ctx, params: { name } }) {
        const webhook = await webhooks.find(name);
        if (webhook === undefined) throw unknownWebhook(name);
        const outcome = await deliver(webhook, testEvent(webhook), ctx.state.signal);
        const delivered = outcome.kind === 'told';
        return { delivered, failure: delivered ? null : outcome.failure };
      },
    }),
  ];
}

/** The refusal of a name that no webhook has. */
export function unknownWebhook(name: string): EntryUnknownError {
  return new EntryUnknownError(`there is no webhook named ${JSON.stringify(name.slice(0, 80))}`);
}

function shown({ deliveredAt, failedAt, failure, ...state }: WebhookState) {
  return {
    ...state,
    deliveredAt: deliveredAt?.toISOString() ?? null,
    failedAt: failedAt?.toISOString() ?? null,
    failure: failure ?? null,
  };
}
