import type { RepositoryAction } from './scope.ts';

export const ROLES = ['reader', 'writer', 'maintainer', 'admin'] as const;
/** A role on the repositories of a pattern; each role includes the ones before it. */
export type Role = (typeof ROLES)[number];

/** `manage` grants roles on the repositories of a pattern; no client requests a token for it. */
export type GrantedAction = RepositoryAction | 'manage';

const ACTIONS: Readonly<Record<Role, readonly GrantedAction[]>> = {
  reader: ['pull'],
  writer: ['pull', 'push'],
  maintainer: ['pull', 'push', 'delete'],
  admin: ['pull', 'push', 'delete', 'manage'],
};

/** Readers pull, writers push as well, maintainers delete as well, admins also grant roles. */
export function actionsOf(role: Role): readonly GrantedAction[] {
  return ACTIONS[role];
}

export function isRole(text: unknown): text is Role {
  return ROLES.some((role) => role === text);
}

export const STANDINGS = ['writer', 'maintainer', 'admin'] as const;
/** The standing of a pusher in a repository, in rising order. Tag rules depend on it. */
export type Standing = (typeof STANDINGS)[number];

/** Actions on all repositories that a pattern matches. */
export interface Grant {
  readonly pattern: string;
  readonly actions: readonly GrantedAction[];
  /** The bearer's standing, if it is higher than `actions` imply: a token lists only the requested actions. */
  readonly standing?: Standing;
}
