export type RepositoryAction = 'pull' | 'push' | 'delete';

/** What a request wants to do, in the words of the Docker token protocol ("Requesting a Token", scope). */
export type Scope =
  | {
      readonly type: 'repository';
      readonly name: string;
      readonly actions: readonly RepositoryAction[];
    }
  | { readonly type: 'registry'; readonly name: 'catalog'; readonly actions: readonly ['*'] };

const REPOSITORY_ACTIONS: readonly RepositoryAction[] = ['pull', 'push', 'delete'];

/** The scope of some actions on one repository. */
export function repositoryScope(name: string, ...actions: readonly RepositoryAction[]): Scope {
  return { type: 'repository', name, actions };
}

/** Listing which repositories there are. */
export const CATALOG_SCOPE: Scope = { type: 'registry', name: 'catalog', actions: ['*'] };

/**
 * Reads `TYPE:NAME:ACTION,ACTION`, such as `repository:team/app:pull,push`. The name may hold colons (a host's
 * port). Unknown actions are left out and `*` stands for all; undefined when the text is no scope or nothing
 * of it is known, since a client may ask for more than this registry has.
 */
export function parseScope(text: string): Scope | undefined {
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (first < 1 || last === first) return undefined;
  const type = text.slice(0, first);
  const name = text.slice(first + 1, last);
  const asked = text.slice(last + 1).split(',');
  if (type === 'registry') return name === 'catalog' && asked.includes('*') ? CATALOG_SCOPE : undefined;
  if (type !== 'repository' || name === '') return undefined;
  const actions = REPOSITORY_ACTIONS.filter((action) => asked.includes(action) || asked.includes('*'));
  return actions.length === 0 ? undefined : { type, name, actions };
}
