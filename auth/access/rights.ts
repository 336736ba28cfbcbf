import { someGrant } from './grant-index.ts';
import { type Grant, type GrantedAction, STANDINGS, type Standing } from './role.ts';
import type { Scope } from './scope.ts';

/** A part of the management API. */
const MANAGEMENT_AREAS = [
  'accounts',
  'apps',
  'audit',
  'credentials',
  'grants',
  'hosts',
  'keys',
  'settings',
] as const;
export type ManagementArea = (typeof MANAGEMENT_AREAS)[number];

/** `manage`: all areas; `read`: all areas, without changes. */
export const MANAGE_SCOPES = ['manage', 'read', ...MANAGEMENT_AREAS] as const;

/** Areas of every login and every token without limits: an identity that may push can change running apps anyway. */
export const FLEET_SCOPES = ['apps', 'hosts'] as const;

/**
 * Areas of the management API that a long-lived token may use, within the rights of its owner. They are chosen when the
 * token is created: a token with limits manages the named areas, one without limits FLEET_SCOPES, whatever the rights
 * of its owner.
 */
export type ManageScope = (typeof MANAGE_SCOPES)[number];

/**
 * Reports whether scopes allow a request to an area; undefined stands for an area that only `manage` and `read` cover.
 */
export function allowsManagement(
  scopes: readonly ManageScope[],
  area: ManagementArea | undefined,
  reads: boolean,
): boolean {
  return scopes.some((scope) => scope === 'manage' || scope === area || (scope === 'read' && reads));
}

/** One limit of a token: repositories, or an area of the management API. */
export type Limit = Grant | { readonly manages: ManageScope };

/** The rights of an identity, computed once, at its login. */
export interface Rights {
  /** Everything, on every repository and on the registry itself. */
  readonly admin: boolean;
  readonly grants: readonly Grant[];
  /** Whether the identity may list repositories; a list contains only those that it may see. */
  readonly lists: boolean;
  /** The repositories that lists show, if more than `grants`: a token for the list names no repositories. */
  readonly sees?: Rights;
  /** An upper bound of all the other rights. */
  readonly within?: Rights;
}

export const NO_RIGHTS: Rights = Object.freeze({ admin: false, grants: [], lists: false });
export const ALL_RIGHTS: Rights = Object.freeze({ admin: true, grants: [], lists: true });

/** Reports whether `rights` allow every action of `scope`. */
export function allowsScope(rights: Rights, scope: Scope): boolean {
  if (rights.within !== undefined && !allowsScope(rights.within, scope)) return false;
  if (rights.admin) return true;
  if (scope.type === 'registry') return rights.lists;
  return scope.actions.every((action) => isGranted(rights.grants, scope.name, action));
}

/** Reports whether `rights` allow an action on a repository, or on everything that a pattern matches. */
export function allowsAction(rights: Rights, pattern: string, action: GrantedAction): boolean {
  if (rights.within !== undefined && !allowsAction(rights.within, pattern, action)) return false;
  return rights.admin || isGranted(rights.grants, pattern, action);
}

/** Returns the standing of an identity that may write to the repository. */
export function standingOf({ admin, grants, within }: Rights, repository: string): Standing {
  const bound = within === undefined ? 'admin' : standingOf(within, repository);
  if (admin) return bound;
  let held = 0;
  someGrant(grants, repository, ({ actions, standing }) => {
    held = Math.max(held, rankOf(standing ?? standingBy(actions)));
    return held === HIGHEST;
  });
  return STANDINGS[Math.min(rankOf(bound), held)] ?? 'writer';
}

function standingBy(actions: readonly GrantedAction[]): Standing {
  if (actions.includes('manage')) return 'admin';
  return actions.includes('delete') ? 'maintainer' : 'writer';
}

const HIGHEST = STANDINGS.length - 1;

function rankOf(standing: Standing): number {
  return STANDINGS.indexOf(standing);
}

/** Reports whether rights include the whole registry: accounts, teams, keys. */
export function isAdmin(rights: Rights): boolean {
  return rights.admin && (rights.within === undefined || isAdmin(rights.within));
}

/** Restricts rights to the repositories of `limits`; returns them unchanged without limits. */
export function limitedTo(rights: Rights, limits: readonly Limit[] | undefined): Rights {
  if (limits === undefined) return rights;
  const grants = limits.filter((limit) => 'pattern' in limit);
  return {
    ...rights,
    within: { admin: false, grants, lists: true, ...(rights.within && { within: rights.within }) },
  };
}

/** Returns the parts of the management API that a token with these limits may use. */
export function managesOf(limits: readonly Limit[] | undefined): readonly ManageScope[] {
  return limits === undefined
    ? FLEET_SCOPES
    : limits.flatMap((limit) => ('manages' in limit ? limit.manages : []));
}

/** Returns the rights of the owner of a token with limits. */
export function unlimited({ within, ...rights }: Rights): Rights {
  return { ...rights, ...(within?.within && { within: within.within }) };
}

function isGranted(grants: readonly Grant[], pattern: string, action: GrantedAction): boolean {
  return someGrant(grants, pattern, ({ actions }) => actions.includes(action));
}
