import { EntryUnknownError } from '../../auth/errors.ts';
import { parseProvider } from '../../auth/providers/parse-provider.ts';
import type { Provider, ProviderStore } from '../../auth/providers/provider.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import type { RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { requireAdmin, requirePerson } from './require.ts';

/** OpenID Connect providers whose people may log in. For administrators; the secret is never shown. */
export function addProviderRoutes(router: RequestRouter, providers: ProviderStore): void {
  router.get('/providers', async (ctx) => {
    requireAdmin(ctx);
    answerJson(ctx, 200, { providers: (await providers.list()).map(shown) });
  });

  router.post('/providers', async (ctx) => {
    requireAdmin(ctx);
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, {
      name: 'string',
      issuer: 'string',
      clientId: 'string',
      clientSecret: 'string',
      nameClaim: 'string',
      groupsClaim: 'string',
      groups: 'texts',
    });
    const text = (name: 'name' | 'issuer' | 'clientId' | 'clientSecret') => required(name, fields[name]);
    const provider = parseProvider({
      ...fields,
      name: text('name'),
      issuer: text('issuer'),
      clientId: text('clientId'),
      clientSecret: text('clientSecret'),
    });
    await providers.create(provider);
    answerJson(ctx, 201, shown(provider));
  });

  router.delete('/providers/:name', async (ctx) => {
    requireAdmin(ctx);
    const name = String(ctx.params.name);
    if (!(await providers.remove(name))) throw new EntryUnknownError(`there is no provider named "${name}"`);
    answerEmpty(ctx, 204);
  });
}

function shown({ name, issuer, clientId, nameClaim, groupsClaim, groups }: Provider) {
  return { name, issuer, clientId, nameClaim, groupsClaim, groups };
}
