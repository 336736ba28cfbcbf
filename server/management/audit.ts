import { Readable } from 'node:stream';
import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/identity.ts';
import { isAdmin, unlimited } from '../../auth/access/rights.ts';
import type { Authenticator } from '../../auth/authenticators/authenticator.ts';
import { SettingInvalidError } from '../../auth/errors.ts';
import type { Sessions } from '../../auth/sessions/sessions.ts';
import type { AuditCatalog, AuditEntry, AuditFilter } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import { AUDIT_FILTERS, parseAuditFilter } from '../audit/audit-filter.ts';
import { auditLines, shownEvent } from '../audit/audit-lines.ts';
import { answerJson } from '../http/answer.ts';
import { sessionOf } from '../login/session-of.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter, RequestState } from '../request-context.ts';
import { shorten } from '../shorten.ts';
import { requireAdmin } from './require.ts';

const USUAL_LIMIT = 100;
const LARGEST_LIMIT = 1000;

export interface AuditRoutesDependencies {
  readonly audit: AuditCatalog;
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
  readonly isDraining: () => boolean;
}

/** What was done by whom, and what was refused. For administrators. */
export function addAuditRoutes(router: RequestRouter, dependencies: AuditRoutesDependencies): void {
  const { audit, isDraining } = dependencies;
  router.get('/audit', async (ctx) => {
    requireAdmin(ctx);
    const limit = limitOf(queryOf(ctx, 'limit'));
    const filter = filterOf(ctx);
    const after = idOf(ctx, 'after');
    const before = idOf(ctx, 'before');
    if (after !== undefined && before !== undefined) {
      throw new SettingInvalidError('"after" and "before" exclude each other');
    }
    const events =
      after === undefined
        ? await audit.latest({ ...filter, ...(before !== undefined && { before }), limit })
        : await audit.list({ ...filter, after, limit });
    const next = events.length < limit ? null : (events.at(-1)?.id ?? null);
    answerJson(ctx, 200, { events: events.map(shownEvent), next });
  });

  router.get('/audit/stream', (ctx) => {
    requireAdmin(ctx);
    const after = idOf(ctx, 'after');
    const page = { ...filterOf(ctx), ...(after !== undefined && { after }) };
    ctx.status = 200;
    ctx.set('Content-Type', 'application/jsonl');
    // A stream outlives what lets it begin no more than by a second.
    const ends = async () => isDraining() || !(await isStillAdministrator(ctx, dependencies));
    ctx.body = Readable.from(auditLines(audit, page, ctx.state.signal, ends));
    // The first line may be long in coming.
    ctx.flushHeaders();
  });
}

function filterOf(ctx: RequestContext): AuditFilter {
  const texts = Object.fromEntries(AUDIT_FILTERS.map((name) => [name, queryOf(ctx, name)]));
  return parseAuditFilter(texts, (name, reason) => {
    throw new SettingInvalidError(`"${name}": ${reason}`);
  });
}

function idOf(ctx: RequestContext, name: 'after' | 'before'): string | undefined {
  const id = queryOf(ctx, name);
  if (id !== undefined && !/^\d{1,18}$/.test(id)) {
    throw new SettingInvalidError(`"${name}" is not the id of an event`);
  }
  return id;
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return USUAL_LIMIT;
  const limit = Number(text);
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= LARGEST_LIMIT) return limit;
  throw new SettingInvalidError(`"limit" must be a number from 1 to ${LARGEST_LIMIT}`);
}

/** Reports whether the client of a long request is still an administrator, by the same credentials. */
async function isStillAdministrator(
  ctx: RequestContext,
  { authenticator, sessions }: { readonly authenticator: Authenticator; readonly sessions: Sessions },
): Promise<boolean> {
  const { authorization } = ctx.req.headers;
  const { origin, signal } = ctx.state;
  try {
    const identity =
      authorization === undefined
        ? (await sessionOf(ctx, sessions))?.identity
        : await authenticator.authenticate(authorization, { remote: origin.remote, signal });
    if (identity === undefined || identity.kind === 'anonymous') return false;
    return isAdmin(identity.proof.kind === 'credential' ? unlimited(identity.rights) : identity.rights);
  } catch {
    // In doubt the stream ends; the next request gets the reason.
    return false;
  }
}

/** Characters of a detail: a change of many fields is known by the first of them. */
const LONGEST_DETAIL = 4000;

/**
 * Has every change that the management API makes recorded by the transaction that makes it, and what changed nothing in the
 * database before its answer goes out.
 */
export function recordChanges(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    if (ctx.method === 'GET' || ctx.method === 'HEAD') return next();
    const entry = (): AuditEntry => {
      const { asked, identity, origin } = ctx.state;
      const who = nameOf(identity);
      const fields = asked === undefined ? '' : ` ${JSON.stringify(asked)}`;
      return {
        at: new Date(),
        ...(who !== undefined && { who }),
        ...(origin.remote !== undefined && { address: origin.remote }),
        action: 'manage',
        outcome: 'done',
        detail: shorten(`${ctx.method} ${ctx.path}${ctx.search}${fields}`, LONGEST_DETAIL),
        count: 1,
      };
    };
    const recorded = await recordingChange(entry, next);
    if (!recorded && ctx.status < 400) await audit.record([entry()]);
  };
}
