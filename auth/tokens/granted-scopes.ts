import { allowsScope, type Rights } from '../access/rights.ts';
import { CATALOG_SCOPE, parseScope, type Scope } from '../access/scope.ts';

/** Scopes of one request that are looked at: a token has to fit into a header. */
const MOST_SCOPES = 64;
/** What of `asked` may be, each repository once. What is no scope is left out. */
export function grantedScopes(rights: Rights, asked: readonly string[]): readonly Scope[] {
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
