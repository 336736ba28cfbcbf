import { isRepositoryName } from '../../oci/reference.ts';

export type RepositoryAction = 'pull' | 'push' | 'delete';

/** docker requests `search` when it searches with an identity token. */
export type CatalogAction = '*' | 'search';

/** The access that a request needs, in the terms of the Docker token protocol ("Requesting a Token", scope). */
export type Scope =
  | {
      readonly type: 'repository';
      readonly name: string;
      readonly actions: readonly RepositoryAction[];
    }
  | { readonly type: 'registry'; readonly name: 'catalog'; readonly actions: readonly CatalogAction[] };

export const REPOSITORY_ACTIONS: readonly RepositoryAction[] = ['pull', 'push', 'delete'];
const CATALOG_ACTIONS: readonly CatalogAction[] = ['*', 'search'];

/** Returns the scope of some actions on one repository. */
export function repositoryScope(name: string, ...actions: readonly RepositoryAction[]): Scope {
  return { type: 'repository', name, actions };
}

/** Listing all repositories. */
export const CATALOG_SCOPE: Scope = { type: 'registry', name: 'catalog', actions: ['*'] };
/** Searching for repositories. */
export const SEARCH_SCOPE: Scope = { type: 'registry', name: 'catalog', actions: ['search'] };

/**
 * Parses `TYPE:NAME:ACTION,ACTION`, such as `repository:team/app:pull,push`; `repository(plugin):…` means the same.
 * Ignores unknown actions; `*` stands for all. Returns undefined for an invalid scope or repository name, and when no
 * action is known: a client may request more than this registry offers.
 */
export function parseScope(text: string): Scope | undefined {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first < 1 || last === first) return undefined;
  const type = text.slice(0, first);
  const name = text.slice(first + 1, last);
  const asked = text.slice(last + 1).split(',');
  if (type === 'registry' && name === 'catalog') {
    const actions = CATALOG_ACTIONS.filter((action) => asked.includes(action));
    return actions.length === 0 ? undefined : { type, name, actions };
  }
  if (!/^repository(?:\([a-z]{1,32}\))?$/.test(type) || !isRepositoryName(name)) return undefined;
  const actions = REPOSITORY_ACTIONS.filter((action) => asked.includes(action) || asked.includes('*'));
  return actions.length === 0 ? undefined : { type: 'repository', name, actions };
}

/** Formats a scope as parseScope reads it. */
export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(',')}`;
}

const VERBS = { pull: 'pull from', push: 'push to', delete: 'delete from' } as const;

/** Describes a scope in words that follow "to", such as `pull from and push to team/app`. */
export function describeScope(scope: Scope): string {
  if (scope.type === 'registry') {
    return scope.actions.includes('*') ? 'list all repositories' : 'search for repositories';
  }
  return `${scope.actions.map((action) => VERBS[action]).join(' and ')} ${scope.name}`;
}
