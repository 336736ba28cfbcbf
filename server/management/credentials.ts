import { nameOf } from '../../auth/access/identity.ts';
import { isAdmin } from '../../auth/access/rights.ts';
import { formatHolder, parseOwner } from '../../auth/accounts/names.ts';
import { formatLimit, parseLimits } from '../../auth/administration/limits.ts';
import {
  type CredentialTerms,
  findRobot,
  type MadeCredential,
  makePersonalToken,
  makeRobot,
  renewRobot,
} from '../../auth/administration/make-credential.ts';
import type { Credential, CredentialStore, Owner } from '../../auth/credentials/credential-store.ts';
import { EntryUnknownError } from '../../auth/errors.ts';
import type { KeyStore } from '../../auth/tokens/key-ring.ts';
import { KEY_OVERLAP, rotateKeys } from '../../auth/tokens/key-ring.ts';
import type { LoginStore } from '../../auth/tokens/login-store.ts';
import { answerEmpty, answerJson } from '../http/answer.ts';
import { queryOf } from '../registry/parameters.ts';
import type { RequestContext, RequestRouter } from '../request-context.ts';
import { fieldsOf, required } from './request-fields.ts';
import { isPerson, requireAdmin, requirePerson, requireSelfOrAdmin } from './require.ts';
import { nextOf, rowPageOf } from './row-page.ts';

/** A credential as the API shows it: all but the secret's hash. */
function shownCredential(credential: Credential) {
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

/** By what lists of credentials are ordered. */
function keyOfCredential({ name, createdAt, id }: Credential): readonly string[] {
  return [name, createdAt.toISOString(), id];
}

/** One that was just made, with its secret, which is shown this once. */
function shownSecret({ credential, secret }: MadeCredential) {
  return { ...shownCredential(credential), secret };
}

/** Milliseconds that a credential lasts when nothing is said. */
const USUAL_LIFE = 90 * 24 * 60 * 60 * 1000;

/** When a new credential ends; null is never. */
function endOf(expiresAt: Date | null | undefined): { readonly expiresAt?: Date } {
  return expiresAt === null ? {} : { expiresAt: expiresAt ?? new Date(Date.now() + USUAL_LIFE) };
}

/** Throws SettingInvalidError. */
function termsOf(fields: {
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
}): CredentialTerms {
  return {
    ...(fields.scopes !== undefined && { limits: parseLimits(fields.scopes) }),
    ...endOf(fields.expiresAt),
  };
}

/** Robot accounts: everybody's own, and for administrators those of others and of teams. */
export function addRobotRoutes(router: RequestRouter, credentials: CredentialStore): void {
  router.get('/robots', async (ctx) => {
    const page = rowPageOf(ctx, 3);
    const { identity } = ctx.state;
    const owner: Owner | undefined = isAdmin(identity.rights)
      ? undefined
      : { kind: 'user', name: nameOf(identity) ?? '' };
    const robots = await credentials.list('robot', owner, page);
    const own = robots.filter((robot) => owner === undefined || isOwner(ctx, robot.owner));
    answerJson(ctx, 200, { robots: own.map(shownCredential), next: nextOf(own, page, keyOfCredential) });
  });

  router.post('/robots', async (ctx) => {
    requirePerson(ctx);
    const fields = await fieldsOf(ctx, {
      owner: 'string',
      name: 'string',
      scopes: 'strings',
      expiresAt: 'time',
    });
    const owner = parseOwner(required('owner', fields.owner));
    if (!isOwner(ctx, owner)) requireAdmin(ctx);
    const made = await makeRobot(credentials, owner, required('name', fields.name), termsOf(fields));
    answerJson(ctx, 201, shownSecret(made));
  });

  router.post('/robots/:name/secret', async (ctx) => {
    requirePerson(ctx);
    await robotOf(ctx);
    const { expiresAt } = await fieldsOf(ctx, { expiresAt: 'time' });
    const end = endOf(expiresAt).expiresAt;
    const { credential, secret } = await renewRobot(credentials, ctx.params.name ?? '', end);
    answerJson(ctx, 201, { ...shownCredential(credential), expiresAt: end?.toISOString() ?? null, secret });
  });

  router.delete('/robots/:name', async (ctx) => {
    const { id } = await robotOf(ctx);
    await credentials.remove(id);
    answerEmpty(ctx, 204);
  });

  /** The robot of the path, if the one who asks may change it; others do not learn whether it is there. */
  async function robotOf(ctx: RequestContext): Promise<Credential> {
    const name = ctx.params.name ?? '';
    const robot = await credentials.findRobot(name);
    if (robot === undefined || !isOwner(ctx, robot.owner)) requireAdmin(ctx);
    return findRobot(credentials, name);
  }
}

function isOwner(ctx: RequestContext, owner: Owner): boolean {
  return owner.kind === 'user' && isPerson(ctx, owner.name);
}

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

/** The keys of the token server. For administrators. */
export function addKeyRoutes(router: RequestRouter, keys: KeyStore): void {
  router.post('/keys', async (ctx) => {
    requireAdmin(ctx);
    const { now = false } = await fieldsOf(ctx, { now: 'boolean' });
    const { id, createdAt } = await rotateKeys(keys, now ? 0 : KEY_OVERLAP);
    answerJson(ctx, 201, { id, createdAt: createdAt.toISOString() });
  });
}
