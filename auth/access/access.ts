import { pullPrefixes } from './grant-index.ts';
import type { Identity } from './identity.ts';
import { allowsScope, type Rights, standingOf } from './rights.ts';
import type { Standing } from './role.ts';
import { repositoryScope, type Scope } from './scope.ts';

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
