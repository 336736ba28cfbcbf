import { pullPrefixes } from './grant-index.ts';
import { allowsScope, type ManageScope, NO_RIGHTS, type Rights, standingOf } from './rights.ts';
import type { Standing } from './role.ts';
import { repositoryScope, type Scope } from './scope.ts';

/** Who makes a request and what they may do, once the credentials have been verified. */
export type Identity =
  | (Holding & { readonly kind: 'anonymous' })
  | (Holding & { readonly kind: NamedKind; readonly name: string; readonly proof: Proof });

interface Holding {
  readonly rights: Rights;
  /** When this ends by itself, in milliseconds since 1970; undefined when it does not. */
  readonly until?: number;
}

/** A person, a robot account, a job that another system vouches for, or a host of the fleet, named `host:NAME`. */
export type NamedKind = 'user' | 'robot' | 'job' | 'host';

/** What somebody has shown to be who they are. */
export type Proof =
  | { readonly kind: 'password' }
  /** The id of a personal token or of a robot's secret; `manages` lists the parts of the management API that it may use. */
  | { readonly kind: 'credential'; readonly id: string; readonly manages: readonly ManageScope[] }
  /** The login that docker keeps after a password. */
  | { readonly kind: 'login' }
  /** A token of the token server, which says itself what its bearer may do. */
  | { readonly kind: 'bearer' }
  /** The word of an identity provider. */
  | { readonly kind: 'provider' };

/** Somebody who gave no credentials, where nothing is public. */
export const ANONYMOUS: Identity = Object.freeze({ kind: 'anonymous', rights: NO_RIGHTS });

/** The name for logs; undefined when nobody was named. */
export function nameOf(identity: Identity): string | undefined {
  return identity.kind === 'anonymous' ? undefined : identity.name;
}

/** Whether an identity that was found out before still holds at a time, in milliseconds since 1970. */
export function holdsAt({ until }: Identity, now: number): boolean {
  return until === undefined || now < until;
}

/** Decides who may do what. Pure: an answer depends on nothing but its arguments. */
export interface Access {
  /** True when `identity` may do every action of `scope`. */
  allows(identity: Identity, scope: Scope): boolean;
  /** What somebody who may write to a repository is to it. */
  standing(identity: Identity, repository: string): Standing;
  /** What a list may show that is made for `identity`. */
  visible(identity: Identity): Visible;
  /** True when nobody has to say who they are. */
  readonly open: boolean;
}

/** The repositories that somebody may see. */
export interface Visible {
  /** All of them begin with one of these: sorted, none begins with another; '' alone when they can be any. */
  readonly prefixes: readonly string[];
  /** The same as data: a name must match a pattern of each list, in which `*` stands for any characters. */
  readonly patterns: readonly (readonly string[])[];
  includes(repository: string): boolean;
}

/** Everybody may do everything (`--auth none`). */
export const OPEN_ACCESS: Access = Object.freeze({
  open: true,
  allows: () => true,
  standing: () => 'admin' as const,
  visible: () => ({ prefixes: [''], patterns: [], includes: () => true }),
});

/** Everybody may do what their rights say. */
export const RIGHTS_ACCESS: Access = Object.freeze({
  open: false,
  allows: ({ rights }: Identity, scope: Scope) => allowsScope(rights, scope),
  standing: ({ rights }: Identity, repository: string) => standingOf(rights, repository),
  visible: ({ rights: { sees, ...rights } }: Identity) => {
    const shown = sees ?? rights;
    return {
      prefixes: prefixesOf(shown),
      // Few ask for them, and there may be thousands.
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
