import { pullPrefixes } from './grant-index.ts';
import { allowsScope, type ManageScope, NO_RIGHTS, type Rights, standingOf } from './rights.ts';
import type { Standing } from './role.ts';
import { repositoryScope, type Scope } from './scope.ts';

/** The client of a request and its rights, after its credentials were verified. */
export type Identity =
  | (Holding & { readonly kind: 'anonymous' })
  | (Holding & { readonly kind: NamedKind; readonly name: string; readonly proof: Proof });

interface Holding {
  readonly rights: Rights;
  /** Time when it expires, in milliseconds since 1970; undefined if it never does. */
  readonly until?: number;
}

/** A person, a robot account, a job of a trusted system, or a host of the fleet, named `host:NAME`. */
export type NamedKind = 'user' | 'robot' | 'job' | 'host';

/** How an identity was proved. */
export type Proof =
  | { readonly kind: 'password' }
  /**
   * A personal token or a robot's secret, by its id; `manages` lists the parts of the management API that it may use.
   */
  | { readonly kind: 'credential'; readonly id: string; readonly manages: readonly ManageScope[] }
  /** The login that docker keeps after a password. */
  | { readonly kind: 'login' }
  /** A token of the token server, which states the rights of its bearer. */
  | { readonly kind: 'bearer' }
  /** An identity provider. */
  | { readonly kind: 'provider' };

/** A client without credentials, when nothing is public. */
export const ANONYMOUS: Identity = Object.freeze({ kind: 'anonymous', rights: NO_RIGHTS });

/** Returns the name for logs; undefined for anonymous clients. */
export function nameOf(identity: Identity): string | undefined {
  return identity.kind === 'anonymous' ? undefined : identity.name;
}

/** Reports whether a cached identity is still valid at a time, in milliseconds since 1970. */
export function holdsAt({ until }: Identity, now: number): boolean {
  return until === undefined || now < until;
}

/** Decides about access. Pure: a result depends only on the arguments. */
export interface Access {
  /** Returns whether `identity` may do every action of `scope`. */
  allows(identity: Identity, scope: Scope): boolean;
  /** Returns the standing of `identity`, which may write to the repository. */
  standing(identity: Identity, repository: string): Standing;
  /** Returns the repositories that lists may show to `identity`. */
  visible(identity: Identity): Visible;
  /** Whether no login is needed. */
  readonly open: boolean;
}

/** The repositories that an identity may see. */
export interface Visible {
  /** Prefixes of all visible names: sorted, none a prefix of another; only '' when every name is possible. */
  readonly prefixes: readonly string[];
  /** The same as data: a name must match a pattern of each list, in which `*` stands for any characters. */
  readonly patterns: readonly (readonly string[])[];
  includes(repository: string): boolean;
}

/** Allows everything to everybody (`--auth none`). */
export const OPEN_ACCESS: Access = Object.freeze({
  open: true,
  allows: () => true,
  standing: () => 'admin' as const,
  visible: () => ({ prefixes: [''], patterns: [], includes: () => true }),
});

/** Allows what the rights of the identity allow. */
export const RIGHTS_ACCESS: Access = Object.freeze({
  open: false,
  allows: ({ rights }: Identity, scope: Scope) => allowsScope(rights, scope),
  standing: ({ rights }: Identity, repository: string) => standingOf(rights, repository),
  visible: ({ rights: { sees, ...rights } }: Identity) => {
    const shown = sees ?? rights;
    return {
      prefixes: prefixesOf(shown),
      // Computed lazily: few callers need them, and there may be thousands.
      get patterns() {
        return patternsOf(shown);
      },
      includes: (repository: string) => allowsScope(shown, repositoryScope(repository, 'pull')),
    };
  },
});

function prefixesOf({ admin, grants, within }: Rights): readonly string[] {
  if (admin) return within === undefined ? [''] : prefixesOf(within);
  return pullPrefixes(grants);
}

function patternsOf({ admin, grants, within }: Rights): readonly (readonly string[])[] {
  const own = grants.filter(({ actions }) => actions.includes('pull')).map(({ pattern }) => pattern);
  return [...(admin ? [] : [own]), ...(within === undefined ? [] : patternsOf(within))];
}
