import type { CleanupScope } from './cleanup.ts';
import { type IdentityProvider, startIdentityProvider } from './identity-provider.ts';

export const CLIENT = { clientId: 'berth', clientSecret: 'a-client-secret-of-tests' } as const;

/** Claims of people, by their `sub`; tests change them. */
export type People = Record<string, Readonly<Record<string, unknown>>>;

/**
 * An OpenID Connect provider with oidc-provider's own login and consent pages, which take any password. Browsers come
 * back to `callback`.
 */
export async function startPeopleProvider(
  scope: CleanupScope,
  callback: string,
  people: People,
): Promise<IdentityProvider> {
  return startIdentityProvider(scope, {
    clients: [
      {
        client_id: CLIENT.clientId,
        client_secret: CLIENT.clientSecret,
        redirect_uris: [callback],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'], email: ['email'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    cookies: { keys: ['a key of tests'] },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: async () => ({ ...people[sub], sub }) }),
  });
}
