import type { Middleware } from 'koa';
import { nameOf } from '../../auth/access/identity.ts';
import type { AuditCatalog } from '../../storage/catalog/audit-catalog.ts';
import type { RequestState } from '../request-context.ts';

/** Has every change that the management API makes recorded, before its answer goes out. */
export function recordChanges(audit: Pick<AuditCatalog, 'record'>): Middleware<RequestState> {
  return async (ctx, next) => {
    await next();
    if (ctx.method === 'GET' || ctx.method === 'HEAD' || ctx.status >= 400) return;
    const { asked, identity, origin } = ctx.state;
    const who = nameOf(identity);
    const fields = asked === undefined ? '' : ` ${JSON.stringify(asked)}`;
    await audit.record([
      {
        at: new Date(),
        ...(who !== undefined && { who }),
        ...(origin.remote !== undefined && { address: origin.remote }),
        action: 'manage',
        outcome: 'done',
        detail: `${ctx.method} ${ctx.path}${ctx.search}${fields}`,
        count: 1,
      },
    ]);
  };
}
