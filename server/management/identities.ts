import { type LinkedIdentity, linkIdentity, unlinkIdentity } from '../../auth/administration/identities.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin, requirePerson, requireSelfOrAdmin } from './require.ts';

/** Who at identity providers logs in to an account. Only administrators say so: it is the account that they give away. */
export function addIdentityRoutes(router: RequestRouter, store: AuthStore): void {
  router.get('/users/:name/identities', async (ctx) => {
    const { name = '' } = ctx.params;
    requireSelfOrAdmin(ctx, name);
    const identities = await store.linkedAccounts.of(name);
    answerJson(ctx, 200, { identities: identities.map(shown) });
  });

  router.post('/users/:name/identities', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, { provider: 'string', subject: 'string' });
    const [provider, subject] = [required('provider', fields.provider), required('subject', fields.subject)];
    answerJson(ctx, 201, shown(await linkIdentity(store, ctx.params.name ?? '', { provider, subject })));
  });

  router.delete('/users/:name/identities/:provider', async (ctx) => {
    requireAdmin(ctx);
    await unlinkIdentity(store, ctx.params.name ?? '', ctx.params.provider ?? '');
    answerEmpty(ctx, 204);
  });
}

function shown({ issuer, subject }: LinkedIdentity) {
  return { issuer, subject };
}
