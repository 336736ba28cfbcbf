import { EntryUnknownError } from '../../auth/errors.ts';
import type { KeyStore } from '../../auth/tokens/key-ring.ts';
import { KEY_OVERLAP, rotateKeys } from '../../auth/tokens/key-ring.ts';
import type { LoginStore } from '../../auth/tokens/login-store.ts';
import { ADMINS } from '../api/access.ts';
import { type Route, route } from '../api/route.ts';
import { boolean, list, object, optional, text, timestamp } from '../api/schema.ts';
import { OWNER_OR_ADMINS, USER, userOf } from './credentials.ts';

const LOGIN = object(
  {
    id: text(),
    client: text({ description: 'The program, as it named itself' }),
    createdAt: timestamp(),
    expiresAt: timestamp({ description: 'Unless it is used before' }),
  },
  { title: 'Login' },
);

/** Logins: the identity (refresh) tokens of programs. Those of the caller, and for administrators all. */
export function loginRoutes(logins: LoginStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/logins',
      id: 'listLogins',
      summary: 'Identity (refresh) tokens that programs keep',
      access: OWNER_OR_ADMINS,
      area: 'credentials',
      query: USER,
      answer: object({ logins: list(LOGIN) }),
      async handle({ ctx }) {
        const found = await logins.list('user', userOf(ctx));
        const shown = found.map(({ family, client, createdAt, expiresAt }) => ({
          id: family,
          client,
          createdAt: createdAt.toISOString(),
          expiresAt: expiresAt.toISOString(),
        }));
        return { logins: shown };
      },
    }),
    route({
      method: 'DELETE',
      path: '/logins/{id}',
      id: 'endLogin',
      summary: 'End a login',
      access: OWNER_OR_ADMINS,
      area: 'credentials',
      params: { id: 'Of the login' },
      query: USER,
      errors: { 404: 'The person has no such login' },
      async handle({ ctx, params: { id } }) {
        const name = userOf(ctx);
        const login = (await logins.list('user', name)).find(({ family }) => family === id);
        if (login === undefined) throw new EntryUnknownError(`${name} has no login with the id "${id}"`);
        await logins.endFamily(id);
      },
    }),
  ];
}

/** The keys of the token server. */
export function keyRoutes(keys: KeyStore): readonly Route[] {
  return [
    route({
      method: 'POST',
      path: '/keys',
      id: 'rotateKeys',
      summary: 'A new key that tokens are signed with',
      access: ADMINS,
      area: 'keys',
      body: object(
        {
          now: optional(
            boolean({
              description:
                'Whether tokens of earlier keys become invalid at once; otherwise they are valid until they expire',
            }),
          ),
        },
        { title: 'NewKey' },
      ),
      status: 201,
      answer: object({ id: text(), createdAt: timestamp() }, { title: 'Key' }),
      async handle({ body: { now = false } }) {
        const { id, createdAt } = await rotateKeys(keys, now ? 0 : KEY_OVERLAP);
        return { id, createdAt: createdAt.toISOString() };
      },
    }),
  ];
}
