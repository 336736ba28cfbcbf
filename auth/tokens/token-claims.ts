import type { JWTPayload } from 'jose';
import type { Identity, NamedKind } from '../access/access.ts';
import { NO_RIGHTS, type Rights } from '../access/rights.ts';
import { type Grant, STANDINGS, type Standing } from '../access/role.ts';
import { parseScope, type Scope } from '../access/scope.ts';

/** An element of the claim `access` (Docker token protocol, "Token Authentication Implementation"). */
interface AccessEntry {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
  /** An extension of this registry: the bearer's standing in the repository. */
  readonly standing?: unknown;
}

/** The claims of a token beyond the registered ones. */
export interface TokenClaims {
  /** '' for an anonymous client. */
  readonly subject: string;
  readonly kind: NamedKind;
  readonly scopes: readonly Scope[];
  /** By repository, for the repositories in `scopes` that may be written to. */
  readonly standings?: ReadonlyMap<string, Standing>;
  /** Patterns that limit lists: they come from a token with scopes, for which this token was issued. */
  readonly within?: readonly string[];
}

/** Returns the claims of a token to be signed. */
export function payloadOf({ subject, kind, scopes, standings, within }: TokenClaims): JWTPayload {
  const access = scopes.map(({ type, name, actions }): AccessEntry => {
    const standing = type === 'repository' ? standings?.get(name) : undefined;
    return { type, name, actions, ...(standing !== undefined && { standing }) };
  });
  return { sub: subject, access, kind, ...(within !== undefined && { within }) };
}

/**
 * Reads the claims of a verified token, also of an external token server. Entries of `access` without a repository, or
 * with unknown actions only, grant nothing.
 */
export function claimsOf(payload: JWTPayload): TokenClaims {
  const { kind, access, within } = payload;
  const entries: readonly unknown[] = Array.isArray(access) ? access : [];
  const standings = new Map<string, Standing>();
  for (const entry of entries) {
    const standing = isEntry(entry) ? STANDINGS.find((one) => one === entry.standing) : undefined;
    if (isEntry(entry) && standing !== undefined) standings.set(entry.name, standing);
  }
  return {
    standings,
    ...(Array.isArray(within) && { within: within.filter((pattern) => typeof pattern === 'string') }),
    subject: typeof payload.sub === 'string' ? payload.sub : '',
    kind: kind === 'robot' || kind === 'job' || kind === 'host' ? kind : 'user',
    scopes: entries.flatMap((entry) => (isEntry(entry) ? (parseScope(formatEntry(entry)) ?? []) : [])),
  };
}

/** Returns the bearer of a token, who has the rights that it states until it expires. */
export function bearerOf(
  { subject, kind, scopes, standings }: TokenClaims,
  until: number,
  sees?: Rights,
): Identity {
  const rights: Rights = {
    ...NO_RIGHTS,
    grants: scopes.flatMap((scope): readonly Grant[] => {
      if (scope.type !== 'repository') return [];
      const standing = standings?.get(scope.name);
      return [{ pattern: scope.name, actions: scope.actions, ...(standing && { standing }) }];
    }),
    lists: listsOf(scopes),
    ...(sees !== undefined && { sees }),
  };
  if (subject === '') return { kind: 'anonymous', rights, until };
  return { kind, name: subject, rights, proof: { kind: 'bearer' }, until };
}

/** Reports whether a token with these scopes may list repositories. */
export function listsOf(scopes: readonly Scope[]): boolean {
  return scopes.some(({ type }) => type === 'registry');
}

function isEntry(value: unknown): value is AccessEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { type, name, actions } = value as Partial<Record<keyof AccessEntry, unknown>>;
  return (
    typeof type === 'string' &&
    typeof name === 'string' &&
    Array.isArray(actions) &&
    actions.every((action) => typeof action === 'string')
  );
}

function formatEntry({ type, name, actions }: AccessEntry): string {
  return `${type}:${name}:${actions.join(',')}`;
}
