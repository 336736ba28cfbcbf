import type { Middleware } from 'koa';
import { allowsManagement, isAdmin, type ManagementArea, unlimited } from '../../auth/access/rights.ts';
import { RegistryError } from '../errors.ts';
import type { RequestContext, RequestState } from '../request-context.ts';

/** Goes on only for administrators. Throws DENIED. */
export function requireAdmin(ctx: RequestContext): void {
  if (isAdmin(ctx.state.identity.rights)) return;
  throw new RegistryError('DENIED', 'this is for administrators');
}

/** Goes on only for administrators and the person themselves. Throws DENIED. */
export function requireSelfOrAdmin(ctx: RequestContext, account: string): void {
  if (isPerson(ctx, account)) return;
  requireAdmin(ctx);
}

/** Whether the request was made by this person and not by a robot. */
export function isPerson({ state: { identity } }: RequestContext, account: string): boolean {
  return identity.kind === 'user' && identity.name === account;
}

/**
 * Continues only for clients with a password or a session: a stolen
 * token cannot create credentials that outlive it. Returns the name of the person. Throws DENIED.
 */
export function requirePerson({ state: { identity } }: RequestContext): string {
  if (
    identity.kind === 'user' &&
    (identity.proof.kind === 'password' || identity.proof.kind === 'provider')
  ) {
    return identity.name;
  }
  throw new RegistryError('DENIED', 'a token cannot do this: log in with a password, or in a browser');
}

/** The first part of a path, after that of the API. A route that is not here needs `registry:manage`. */
const AREAS: Readonly<Record<string, ManagementArea>> = {
  users: 'accounts',
  teams: 'accounts',
  providers: 'accounts',
  audit: 'audit',
  tokens: 'credentials',
  logins: 'credentials',
  robots: 'credentials',
  grants: 'grants',
  rules: 'grants',
  keys: 'keys',
  quotas: 'settings',
  'tag-rules': 'settings',
  webhooks: 'settings',
};

/**
 * Limits long-lived tokens to the parts of the API in their scopes, within the rights of their owner; without a scope they manage nothing.
 * Everybody may ask who they are. `base` is the path of the API. Throws DENIED.
 */
export function requireScope(base: string): Middleware<RequestState> {
  return async (ctx, next) => {
    const { identity } = ctx.state;
    const [, name = ''] = ctx.path.slice(base.length).split('/');
    if (identity.kind === 'anonymous' || identity.proof.kind !== 'credential' || name === 'me') return next();
    const area = Object.hasOwn(AREAS, name) ? AREAS[name] : undefined;
    const reads = ctx.method === 'GET' || ctx.method === 'HEAD';
    if (!allowsManagement(identity.proof.manages, area, reads)) {
      throw new RegistryError(
        'DENIED',
        `this token may not manage the registry: make one with the scope registry:${area ?? 'manage'}, or log in ` +
          'with a password',
      );
    }
    ctx.state.identity = { ...identity, rights: unlimited(identity.rights) };
    await next();
  };
}
