import { nameOf } from '../../auth/access/identity.ts';
import { makePersonalToken } from '../../auth/administration/make-credential.ts';
import type { CredentialStore } from '../../auth/credentials/credential-store.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requirePerson, requireSelfOrAdmin } from './require.ts';
import { nextOf, rowPageOf } from './row-page.ts';
import { keyOfCredential, shownCredential, shownSecret, termsOf } from './shown-credential.ts';

/** Personal tokens: everybody's own, and for administrators those of others. */
export function addTokenRoutes(router: RequestRouter, credentials: CredentialStore): void {
  router.get('/tokens', async (ctx) => {
    const name = queryOf(ctx, 'user') ?? nameOf(ctx.state.identity) ?? '';
    requireSelfOrAdmin(ctx, name);
    const page = rowPageOf(ctx, 3);
    const tokens = await credentials.list('personal', { kind: 'user', name }, page);
    answerJson(ctx, 200, {
      tokens: tokens.map(shownCredential),
      next: nextOf(tokens, page, keyOfCredential),
    });
  });

  router.post('/tokens', async (ctx) => {
    const account = requirePerson(ctx);
    const fields = await fieldsOf(ctx, { name: 'string', scopes: 'strings', expiresAt: 'time' });
    const label = required('name', fields.name);
    const made = await makePersonalToken(credentials, account, label, termsOf(fields));
    answerJson(ctx, 201, shownSecret(made));
  });

  router.delete('/tokens/:id', async (ctx) => {
    const { id = '' } = ctx.params;
    const token = await credentials.find(id);
    // Whose it is, only its owner and administrators learn, and whether there is one.
    requireSelfOrAdmin(ctx, token?.kind === 'personal' ? token.owner.name : '');
    if (token?.kind !== 'personal') throw new EntryUnknownError(`there is no token with the id "${id}"`);
    await credentials.remove(id);
    answerEmpty(ctx, 204);
  });
}
