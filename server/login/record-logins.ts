import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/identity.ts';
import type { AuditCatalog, AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';
import type { RequestState } from '../request-context.ts';

const RECORDED: Readonly<Record<string, 'login' | 'manage'>> = {
  'GET /auth/callback': 'login',
  'POST /auth/tokens': 'manage',
  'POST /auth/device/answer': 'manage',
};

/**
 * Has logins, and what is made with them, recorded, never the query, which holds secrets: by the transaction that makes a
 * token or answers a terminal, and a login before the answer goes out.
 */
export function recordLogins(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    const what = `${ctx.method} ${ctx.path.slice(ctx.state.pathPrefix.length)}`;
    const action = RECORDED[what];
    if (action === undefined) return next();
    const entry = (): AuditEntry | undefined => {
      const { identity, origin } = ctx.state;
      const who = nameOf(identity);
      if (who === undefined) return undefined;
      const address = origin.remote === undefined ? {} : { address: origin.remote };
      return { at: new Date(), who, ...address, action, outcome: 'done', detail: what, count: 1 };
    };
    const isRecorded = await recordingChange(entry, next);
    const late = isRecorded || ctx.status >= 400 ? undefined : entry();
    if (late !== undefined) await audit.record([late]);
  };
}
