import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { type Identity, nameOf } from '../access/access.ts';
import { allowsScope, type Rights, standingOf } from '../access/rights.ts';
import type { Standing } from '../access/role.ts';
import { CATALOG_SCOPE, parseScope, type Scope } from '../access/scope.ts';
import type { Directory } from '../accounts/directory.ts';
import { hashSecret, makeId, makeSecret, secretKind } from '../credentials/secret.ts';
import { CredentialsInvalidError, SettingInvalidError } from '../errors.ts';
import type { TokenLimit } from '../limits/token-limit.ts';
import { WhileUnchanged } from '../while-unchanged.ts';
import { type KeyRing, SIGNING_ALGORITHM } from './key-ring.ts';
import type { Login, LoginStore, LoginSubject } from './login-store.ts';
import { listsOf, payloadOf } from './token-claims.ts';

/** Maximum logins per person or robot, for as many machines. */
const MOST_LOGINS = 100;
const DAY = 24 * 60 * 60 * 1000;
/** Days after its last use when a login expires. */
const LOGIN_DAYS = 90;

export interface TokenServerOptions {
  readonly issuer: string;
  /** Services for which tokens are issued; the first is this registry, the default. */
  readonly services: readonly [string, ...string[]];
  /** Lifetime of a token, seconds. */
  readonly life: number;
  readonly keys: KeyRing;
  readonly logins: LoginStore;
  readonly directory: Directory;
  /** Absent for no limit. */
  readonly limit?: Pick<TokenLimit, 'countToken'>;
  /** Returns another number after any change of the stores; with it each login is looked up once. */
  readonly version?: () => number;
}

/** A client's request (Docker token protocol, "Requesting a Token"). */
export interface TokenRequest {
  readonly service: string | undefined;
  /** As in the request, unparsed. */
  readonly scopes: readonly string[];
  /** Whether the client also requests an identity (refresh) token. */
  readonly offline: boolean;
  /** The client's name for itself. */
  readonly client: string;
}

export interface TokenAnswer {
  readonly token: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** The granted scopes: the allowed part of the request. */
  readonly granted: readonly Scope[];
  readonly refreshToken?: string;
}

/** Issues tokens: it grants the allowed part of a request, and never refuses because a client requests too much. */
export class TokenServer {
  readonly #options: TokenServerOptions;
  readonly #logins: WhileUnchanged<Login> | undefined;

  constructor(options: TokenServerOptions) {
    this.#options = options;
    this.#logins = options.version && new WhileUnchanged(options.version);
  }

  /**
   * Issues a token to an authenticated client, and a login when it requests one, unless another system vouches for it.
   * Throws SettingInvalidError for an unknown service.
   */
  async grant(identity: Identity, request: TokenRequest): Promise<TokenAnswer> {
    const service = this.#serviceOf(request);
    const subject = request.offline ? loginSubject(identity) : undefined;
    const answer = await this.#sign(identity, service, request.scopes);
    if (subject === undefined) return answer;
    const { secret, login } = newLogin(subject, service, request.client, makeId(), endOf(identity));
    await this.#options.logins.create(login, MOST_LOGINS);
    return { ...answer, refreshToken: secret };
  }

  /**
   * Issues a token for a refresh token. If the client also requests a refresh token (`offline`), the new one replaces
   * the old one, whose reuse then ends the family; docker, which cannot store a new one, does not request one. Throws
   * CredentialsInvalidError, SettingInvalidError.
   */
  async refresh(refreshToken: string, request: TokenRequest): Promise<TokenAnswer> {
    const { directory, logins } = this.#options;
    const service = this.#serviceOf(request);
    const secretHash = hashSecret(refreshToken);
    const login = secretKind(refreshToken) === 'ref' ? await this.#findLogin(secretHash) : undefined;
    if (login === undefined || login.expiresAt.getTime() <= Date.now() || login.service !== service) {
      throw new CredentialsInvalidError(
        'the refresh token is wrong, has expired or was revoked: log in again',
      );
    }
    if (login.replaced) return this.#endReused(login);
    const identity = await directory.subject(login.subject);
    if (identity === undefined) {
      throw new CredentialsInvalidError('the account of the refresh token was removed: log in again');
    }
    const answer = await this.#sign(identity, service, request.scopes);
    const end = endOf(identity);
    if (!request.offline) {
      if (end.getTime() - login.expiresAt.getTime() > DAY) await logins.extend(secretHash, end);
      return answer;
    }
    const next = newLogin(login.subject, service, request.client, login.family, end);
    if (!(await logins.replace(secretHash, next.login))) return this.#endReused(login);
    return { ...answer, refreshToken: next.secret };
  }

  async #findLogin(secretHash: string): Promise<Login | undefined> {
    const known = this.#logins?.find(secretHash);
    if (known !== undefined) return known;
    const keep = this.#logins?.begin(secretHash);
    const login = await this.#options.logins.find(secretHash);
    if (login !== undefined) keep?.(login);
    return login;
  }

  async #endReused({ family }: Login): Promise<never> {
    await this.#options.logins.endFamily(family);
    throw new CredentialsInvalidError(
      'the refresh token was used after another had taken its place: somebody may have copied it, so all of them ' +
        'were revoked: log in again',
    );
  }

  #serviceOf({ service }: TokenRequest): string {
    const { services } = this.#options;
    if (service === undefined || service === '') return services[0];
    if (services.includes(service)) return service;
    throw new SettingInvalidError('this token server issues no tokens for that service');
  }

  async #sign(identity: Identity, service: string, asked: readonly string[]): Promise<TokenAnswer> {
    const { issuer, keys, life, limit } = this.#options;
    limit?.countToken(identity);
    const granted = grantedScopes(identity.rights, asked);
    const { id, privateKey } = await keys.signer();
    const now = Math.floor(Date.now() / 1000);
    const end = Math.min(now + life, Math.floor((identity.until ?? Number.POSITIVE_INFINITY) / 1000));
    const token = await new SignJWT(
      payloadOf({
        subject: nameOf(identity) ?? '',
        kind: identity.kind === 'anonymous' ? 'user' : identity.kind,
        scopes: granted,
        standings: standingsOf(identity.rights, granted),
        ...(listsOf(granted) && withinOf(identity.rights)),
      }),
    )
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid: id, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(service)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(end)
      .setJti(randomUUID())
      .sign(privateKey);
    return { token, expiresIn: end - now, granted };
  }
}

/** Returns the standings of `rights` in the writable repositories of `scopes`, except plain writers. */
function standingsOf(rights: Rights, scopes: readonly Scope[]): ReadonlyMap<string, Standing> {
  const standings = new Map<string, Standing>();
  for (const { type, name, actions } of scopes) {
    const standing = standingOf(rights, name);
    if (type === 'repository' && actions.some((action) => action !== 'pull') && standing !== 'writer') {
      standings.set(name, standing);
    }
  }
  return standings;
}

/** Returns the patterns that limits allow pulls from; undefined without limits. */
function withinOf({ within }: Rights): { readonly within?: readonly string[] } {
  if (within === undefined) return {};
  return {
    within: within.grants.flatMap(({ pattern, actions }) => (actions.includes('pull') ? pattern : [])),
  };
}

/** Returns the subject of a login; undefined for anonymous clients and those for whom another system vouches. */
function loginSubject(identity: Identity): LoginSubject | undefined {
  if (identity.kind === 'anonymous' || identity.kind === 'job' || identity.kind === 'host') return undefined;
  const { kind, name, proof } = identity;
  if (proof.kind === 'password') return kind === 'user' ? { kind, name } : undefined;
  return proof.kind === 'credential' ? { kind, name, credential: proof.id } : undefined;
}

function newLogin(subject: LoginSubject, service: string, client: string, family: string, expiresAt: Date) {
  const secret = makeSecret('ref');
  const login: Login = {
    secretHash: hashSecret(secret),
    family,
    subject,
    service,
    client: client.slice(0, 255),
    createdAt: new Date(),
    expiresAt,
    replaced: false,
  };
  return { secret, login };
}

/** Returns the expiry of a login that is not used from now on. */
function endOf({ until = Number.POSITIVE_INFINITY }: Identity): Date {
  return new Date(Math.min(until, Date.now() + LOGIN_DAYS * DAY));
}

/** Maximum scopes of a request that are read: a token has to fit into a header. */
const MOST_SCOPES = 64;
/** Returns the allowed part of `asked`, each repository once. Ignores invalid scopes. */
function grantedScopes(rights: Rights, asked: readonly string[]): readonly Scope[] {
  const merged = new Map<string, Scope>();
  for (const text of asked.flatMap((part) => part.split(' ')).slice(0, MOST_SCOPES)) {
    const scope = parseScope(text);
    if (scope === undefined) continue;
    const key = `${scope.type}:${scope.name}`;
    const allowed = allowedPart(rights, scope, merged.get(key));
    if (allowed !== undefined) merged.set(key, allowed);
  }
  return [...merged.values()];
}

function allowedPart(rights: Rights, scope: Scope, before: Scope | undefined): Scope | undefined {
  if (scope.type === 'registry') {
    if (!allowsScope(rights, CATALOG_SCOPE)) return undefined;
    const asked = before?.type === 'registry' ? [...before.actions, ...scope.actions] : scope.actions;
    return { ...scope, actions: [...new Set(asked)] };
  }
  const actions = scope.actions.filter((action) => allowsScope(rights, { ...scope, actions: [action] }));
  if (actions.length === 0) return undefined;
  const earlier = before?.type === 'repository' ? before.actions : [];
  return { ...scope, actions: [...new Set([...earlier, ...actions])] };
}
