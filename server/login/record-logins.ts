import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/identity.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import type { RequestState } from '../request-context.ts';

const RECORDED: Readonly<Record<string, 'login' | 'manage'>> = {
  'GET /auth/callback': 'login',
  'POST /auth/tokens': 'manage',
  'POST /auth/device/answer': 'manage',
};

/** Has logins, and what is made with them, recorded before the answer goes out; never the query, which holds secrets. */
export function recordLogins(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    await next();
    const { identity, origin, pathPrefix } = ctx.state;
    const what = `${ctx.method} ${ctx.path.slice(pathPrefix.length)}`;
    const action = RECORDED[what];
    const who = nameOf(identity);
    if (action === undefined || who === undefined || ctx.status >= 400) return;
    const address = origin.remote === undefined ? {} : { address: origin.remote };
    await audit.record([
      { at: new Date(), who, ...address, action, outcome: 'done', detail: what, count: 1 },
    ]);
  };
}
