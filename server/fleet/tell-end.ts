import { randomUUID } from 'node:crypto';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import type { WebhookCatalog } from '../../storage/catalog/webhook-catalog.ts';
import type { Deployments } from './deployments.ts';
import type { EndedRollout } from './rollout-driver.ts';

/** Records the end of a release in the audit, and notifies the webhooks of the app's name. */
export function createTellEnd(
  audit: Pick<AuditCatalog, 'record'>,
  webhooks: Pick<WebhookCatalog, 'tell'>,
): (ended: EndedRollout) => Promise<void> {
  return async ({ app: { name }, release: { cause, number, reason, state } }) => {
    const who = cause.by === '' ? {} : { who: cause.by };
    const at = new Date();
    const why = reason === undefined ? '' : `: ${reason}`;
    await audit.record([
      {
        ...who,
        at,
        action: 'manage',
        outcome: 'done',
        repository: name,
        detail: `release ${number} of ${name} is ${state}${why}`,
        count: 1,
      },
    ]);
    await webhooks.tell([
      {
        ...who,
        id: randomUUID(),
        action: 'rollout',
        repository: name,
        at: at.toISOString(),
        count: 1,
        release: number,
        state,
        ...(reason !== undefined && { reason }),
      },
    ]);
  };
}

/** Also records each release that a push creates in the audit: no request of the management API does. */
export function recordingReleases(
  deployments: Pick<Deployments, 'followTags'>,
  audit: Pick<AuditCatalog, 'record'>,
): Pick<Deployments, 'followTags'> {
  return {
    followTags: async (app, pushed) => {
      const release = await deployments.followTags(app, pushed);
      if (release === undefined) return undefined;
      const { cause, number } = release;
      const of = cause.kind === 'push' ? ` of ${cause.repository}:${cause.tag}` : '';
      await audit.record([
        {
          at: new Date(),
          ...(cause.by !== '' && { who: cause.by }),
          action: 'manage',
          outcome: 'done',
          repository: app,
          detail: `release ${number} of ${app} begins: a push${of}`,
          count: 1,
        },
      ]);
      return release;
    },
  };
}
