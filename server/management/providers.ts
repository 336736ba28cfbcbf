import { EntryUnknownError } from '../../auth/errors.ts';
import { parseProvider } from '../../auth/providers/parse-provider.ts';
import type { Provider, ProviderStore } from '../../auth/providers/provider.ts';
import { ADMINS, ADMINS_IN_PERSON } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { list, object, optional, record, text } from '../api/schema.ts';
import { NAME } from './schemas.ts';

const FIELDS = {
  name: NAME,
  issuer: text({ description: 'The https URL below which /.well-known/openid-configuration is' }),
  clientId: text({ description: 'Under which the provider knows this registry' }),
} as const;

const CLAIMS = {
  nameClaim: text({
    description:
      'The claim that names the account which a first login makes; preferred_username unless given',
  }),
  groupsClaim: text({ description: 'The claim that lists groups; groups unless given' }),
  groups: record(text(), { description: 'Teams by group' }),
} as const;

const PROVIDER = object({ ...FIELDS, ...CLAIMS }, { title: 'Provider' });

const NEW_PROVIDER = object(
  {
    ...FIELDS,
    clientSecret: text({ writeOnly: true, description: 'Never shown again' }),
    nameClaim: optional(CLAIMS.nameClaim),
    groupsClaim: optional(CLAIMS.groupsClaim),
    groups: optional(CLAIMS.groups),
  },
  { title: 'NewProvider' },
);

/** OpenID Connect providers whose people may log in. The secret is never shown. */
export function providerRoutes(providers: ProviderStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/providers',
      id: 'listProviders',
      summary: 'The OpenID Connect providers whose people may log in',
      access: ADMINS,
      area: 'accounts',
      answer: object({ providers: list(PROVIDER) }),
      handle: async () => ({ providers: (await providers.list()).map(shownProvider) }),
    }),
    route({
      method: 'POST',
      path: '/providers',
      id: 'createProvider',
      summary: 'Let the people of an OpenID Connect provider log in',
      description: 'The provider sends browsers back to /auth/callback of this registry.',
      access: ADMINS_IN_PERSON,
      area: 'accounts',
      body: NEW_PROVIDER,
      status: 201,
      answer: PROVIDER,
      errors: { 409: 'There is a provider of this name already' },
      async handle({ body }) {
        const provider = parseProvider(body);
        await providers.create(provider);
        return shownProvider(provider);
      },
    }),
    route({
      method: 'DELETE',
      path: '/providers/{name}',
      id: 'removeProvider',
      summary: 'Remove a provider, with the sessions that it began',
      description: 'Accounts and their tokens stay.',
      access: ADMINS,
      area: 'accounts',
      params: { name: 'The name of the provider' },
      errors: { 404: 'There is no provider of this name' },
      async handle({ params: { name } }) {
        if (!(await providers.remove(name))) {
          throw new EntryUnknownError(`there is no provider named "${name}"`);
        }
      },
    }),
  ];
}

function shownProvider({ name, issuer, clientId, nameClaim, groupsClaim, groups }: Provider) {
  return { name, issuer, clientId, nameClaim, groupsClaim, groups };
}
