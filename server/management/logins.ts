import { nameOf } from '../../auth/access/identity.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { LoginStore } from '../../auth/tokens/login-store.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestRouter } from '../request-context.ts';
import { requireSelfOrAdmin } from './require.ts';

/** Logins: the identity (refresh) tokens that programs keep. Everybody's own, for administrators those of others. */
export function addLoginRoutes(router: RequestRouter, logins: LoginStore): void {
  router.get('/logins', async (ctx) => {
    const name = queryOf(ctx, 'user') ?? nameOf(ctx.state.identity) ?? '';
    requireSelfOrAdmin(ctx, name);
    const shown = (await logins.list('user', name)).map(({ family, client, createdAt, expiresAt }) => ({
      id: family,
      client,
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
    }));
    answerJson(ctx, 200, { logins: shown });
  });

  router.delete('/logins/:id', async (ctx) => {
    const name = queryOf(ctx, 'user') ?? nameOf(ctx.state.identity) ?? '';
    requireSelfOrAdmin(ctx, name);
    const { id = '' } = ctx.params;
    const login = (await logins.list('user', name)).find(({ family }) => family === id);
    if (login === undefined) throw new EntryUnknownError(`${name} has no login with the id "${id}"`);
    await logins.endFamily(id);
    answerEmpty(ctx, 204);
  });
}
