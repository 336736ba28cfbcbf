import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/identity.ts';
import type { AuditCatalog, AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import type { RequestState } from '../request-context.ts';
import { shorten } from '../shorten.ts';

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
