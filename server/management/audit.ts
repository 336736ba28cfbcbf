import { Readable } from 'node:stream';
import { SettingInvalidError } from '../../auth/errors.ts';
import type { AuditPage } from '../../storage/catalog/audit-catalog.ts';
import { auditLines, shownEvent } from '../audit/audit-lines.ts';
import { answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext } from '../request-context.ts';
import type { ManagementDependencies, ManagementRouter } from './management-router.ts';
import { requireAdmin } from './require.ts';

const USUAL_LIMIT = 100;
const LARGEST_LIMIT = 1000;

/** What was done by whom, and what was refused. For administrators. */
export function addAuditRoutes(
  router: ManagementRouter,
  { catalog, isDraining }: Pick<ManagementDependencies, 'catalog' | 'isDraining'>,
): void {
  router.get('/audit', async (ctx) => {
    requireAdmin(ctx);
    const limit = limitOf(queryOf(ctx, 'limit'));
    const events = await catalog.audit.list({ ...pageOf(ctx), limit });
    const next = events.length < limit ? null : (events.at(-1)?.id ?? null);
    answerJson(ctx, 200, { events: events.map(shownEvent), next });
  });

  router.get('/audit/stream', (ctx) => {
    requireAdmin(ctx);
    ctx.status = 200;
    ctx.set('Content-Type', 'application/jsonl');
    ctx.body = Readable.from(auditLines(catalog.audit, pageOf(ctx), ctx.state.signal, isDraining));
    // The first line may be long in coming.
    ctx.flushHeaders();
  });
}

function pageOf(ctx: RequestContext): Omit<AuditPage, 'limit'> {
  const after = queryOf(ctx, 'after');
  const repository = queryOf(ctx, 'repository');
  const who = queryOf(ctx, 'who');
  if (after !== undefined && !/^\d{1,18}$/.test(after)) {
    throw new SettingInvalidError('"after" is not the id of an event');
  }
  return {
    ...(after !== undefined && { after }),
    ...(repository !== undefined && { repository }),
    ...(who !== undefined && { who }),
  };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return USUAL_LIMIT;
  const limit = Number(text);
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= LARGEST_LIMIT) return limit;
  throw new SettingInvalidError(`"limit" must be a number from 1 to ${LARGEST_LIMIT}`);
}
