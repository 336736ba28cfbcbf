import { EntryExistsError, EntryUnknownError } from '../../auth/errors.ts';
import type { WebhookCatalog, WebhookState } from '../../storage/catalog/webhook-catalog.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { testEvent } from '../webhooks/cloud-event.ts';
import type { Deliver } from '../webhooks/deliver.ts';
import { parseWebhook } from '../webhooks/parse-webhook.ts';
import type { RefuseReceiver } from '../webhooks/public-addresses.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin } from './require.ts';

export interface WebhookRoutesDependencies {
  readonly webhooks: WebhookCatalog;
  readonly deliver: Deliver;
  readonly refuseReceiver: RefuseReceiver;
}

/** Who is told of what happens in repositories. For administrators. */
export function addWebhookRoutes(
  router: RequestRouter,
  { webhooks, deliver, refuseReceiver }: WebhookRoutesDependencies,
): void {
  router.get('/webhooks', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { webhooks: (await webhooks.list()).map(shown) });
  });

  router.post('/webhooks', async (ctx) => {
    requireAdmin(ctx);
    const fields = await fieldsOf(ctx, {
      name: 'string',
      url: 'string',
      events: 'strings',
      pattern: 'string',
      secret: 'string',
    });
    const webhook = parseWebhook({
      name: required('name', fields.name),
      url: required('url', fields.url),
      events: required('events', fields.events),
      pattern: required('pattern', fields.pattern),
      secret: fields.secret,
    });
    await refuseReceiver(webhook.url);
    if (!(await webhooks.create(webhook))) {
      throw new EntryExistsError(`there is a webhook ${webhook.name} already: remove it first`);
    }
    answerJson(ctx, 201, webhook);
  });

  router.delete('/webhooks/:name', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    if (!(await webhooks.remove(name))) throw unknownWebhook(name);
    answerEmpty(ctx, 204);
  });

  router.post('/webhooks/:name/test', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    const webhook = await webhooks.find(name);
    if (webhook === undefined) throw unknownWebhook(name);
    const outcome = await deliver(webhook, testEvent(webhook), ctx.state.signal);
    const delivered = outcome.kind === 'told';
    answerJson(ctx, 200, { delivered, failure: delivered ? null : outcome.failure });
  });
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
