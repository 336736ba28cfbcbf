import type { RepositoryAction } from './scope.ts';

export const ROLES = ['reader', 'writer', 'maintainer', 'admin'] as const;
/** What somebody is to the repositories of a pattern; each role may all that the ones before it may. */
export type Role = (typeof ROLES)[number];

/** `manage` is granting roles on what a pattern matches; no client asks a token for it. */
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
