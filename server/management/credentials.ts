import { nameOf } from '../../auth/access/access.ts';
import { MANAGE_SCOPES } from '../../auth/access/rights.ts';
import { formatHolder } from '../../auth/accounts/names.ts';
import { formatLimit, MOST_LIMITS, parseLimits } from '../../auth/administration/limits.ts';
import {
  type CredentialTerms,
  type MadeCredential,
  makePersonalToken,
} from '../../auth/administration/make-credential.ts';
import type { Credential, CredentialStore } from '../../auth/credentials/credential-store.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import { type Access, EVERYBODY, IN_PERSON, requirePerson, requireSelfOrAdmin } from '../api/access.ts';
import { nextOf, PAGE, pageOf, rowPageOf } from '../api/page.ts';
import { type Route, route } from '../api/route.ts';
import { list, nullable, object, optional, text, time, timestamp } from '../api/schema.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext } from '../request-context.ts';

const CREDENTIAL_FIELDS = {
  id: text({ description: 'A label, not a secret' }),
  name: text(),
  owner: text({ description: 'user:NAME or team:NAME' }),
  scopes: nullable(
    list(text(), {
      description:
        'PATTERN:ACTIONS, or registry:PART for this API. null: all repositories of the owner, and no part of this API',
    }),
  ),
  createdAt: timestamp(),
  expiresAt: nullable(timestamp({ description: 'Null for never' })),
  lastUsedAt: nullable(timestamp({ description: 'To an hour; null for never' })),
} as const;

export const CREDENTIAL = object(CREDENTIAL_FIELDS, { title: 'Credential' });

export const MADE_CREDENTIAL = object(
  { ...CREDENTIAL_FIELDS, secret: text({ description: 'Shown this once' }) },
  { title: 'MadeCredential' },
);

export const NEW_SCOPES = {
  maxItems: MOST_LIMITS,
  description: `PATTERN:ACTIONS, such as team/*:pull,push; or registry:PART, where PART of this API is ${MANAGE_SCOPES.slice(0, -1).join(', ')} or ${MANAGE_SCOPES.at(-1)}`,
};

export const NEW_END = optional(
  nullable(time({ description: 'When it ends: in 90 days unless given; null for never' })),
);

/** Returns a credential as the API shows it: everything except the secret's hash. */
export function shownCredential(credential: Credential) {
  const { id, name, owner, limits, createdAt, expiresAt, lastUsedAt } = credential;
  return {
    id,
    name,
    owner: formatHolder(owner),
    scopes: limits?.map(formatLimit) ?? null,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}

/** Returns the sort key of lists of credentials. */
export function keyOfCredential({ name, createdAt, id }: Credential): readonly string[] {
  return [name, createdAt.toISOString(), id];
}

/** Returns a new credential with its secret, which is shown only this once. */
export function shownSecret({ credential, secret }: MadeCredential) {
  return { ...shownCredential(credential), secret };
}

/** Default lifetime of a credential, milliseconds. */
const USUAL_LIFE = 90 * 24 * 60 * 60 * 1000;

/** Returns the end of a new credential; null means never. */
export function endOf(expiresAt: Date | null | undefined): { readonly expiresAt?: Date } {
  return expiresAt === null ? {} : { expiresAt: expiresAt ?? new Date(Date.now() + USUAL_LIFE) };
}

/** Throws SettingInvalidError. */
export function termsOf(fields: {
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
}): CredentialTerms {
  return {
    ...(fields.scopes !== undefined && { limits: parseLimits(fields.scopes) }),
    ...endOf(fields.expiresAt),
  };
}

/** Returns whose tokens or logins a request is about: the query parameter `user`, or the caller. */
export function userOf(ctx: RequestContext): string {
  return queryOf(ctx, 'user') ?? nameOf(ctx.state.identity) ?? '';
}

export const OWNER_OR_ADMINS: Access = {
  who: 'For the owner and administrators.',
  check: (ctx) => requireSelfOrAdmin(ctx, userOf(ctx)),
};

export const USER = { user: optional(text({ description: "Whose; one's own unless given" })) } as const;

/** Personal tokens: those of the caller, and for administrators all. */
export function tokenRoutes(credentials: CredentialStore): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/tokens',
      id: 'listTokens',
      summary: 'Personal tokens',
      access: OWNER_OR_ADMINS,
      area: 'credentials',
      query: { ...USER, ...PAGE },
      answer: pageOf('tokens', CREDENTIAL),
      async handle({ ctx, query }) {
        const page = rowPageOf(query, 3);
        const tokens = await credentials.list('personal', { kind: 'user', name: userOf(ctx) }, page);
        return { tokens: tokens.map(shownCredential), next: nextOf(tokens, page, keyOfCredential) };
      },
    }),
    route({
      method: 'POST',
      path: '/tokens',
      id: 'makeToken',
      summary: 'Make a personal token for oneself',
      access: IN_PERSON,
      area: 'credentials',
      body: object(
        {
          name: text({ description: 'What it is for', maxLength: 100 }),
          scopes: optional(list(text(), NEW_SCOPES)),
          expiresAt: NEW_END,
        },
        { title: 'NewToken' },
      ),
      status: 201,
      answer: MADE_CREDENTIAL,
      async handle({ ctx, body }) {
        const made = await makePersonalToken(credentials, requirePerson(ctx), body.name, termsOf(body));
        return shownSecret(made);
      },
    }),
    route({
      method: 'DELETE',
      path: '/tokens/{id}',
      id: 'revokeToken',
      summary: 'Revoke a personal token',
      description: 'For the owner and administrators.',
      access: EVERYBODY,
      area: 'credentials',
      params: { id: 'Of the token' },
      errors: { 404: 'There is no such token' },
      async handle({ ctx, params: { id } }) {
        const token = await credentials.find(id);
        // Only its owner and administrators learn its owner, and whether it exists.
        requireSelfOrAdmin(ctx, token?.kind === 'personal' ? token.owner.name : '');
        if (token?.kind !== 'personal') throw new EntryUnknownError(`there is no token with the id "${id}"`);
        await credentials.remove(id);
      },
    }),
  ];
}
