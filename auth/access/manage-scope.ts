/** A part of the management API. */
export const MANAGEMENT_AREAS = ['accounts', 'audit', 'credentials', 'grants', 'keys', 'settings'] as const;
export type ManagementArea = (typeof MANAGEMENT_AREAS)[number];

/** `manage`: all areas; `read`: all areas, and changes nothing. */
export const MANAGE_SCOPES = ['manage', 'read', ...MANAGEMENT_AREAS] as const;

/**
 * What a long-lived token may be used for at the management API, within what its owner may do there. It is said when the
 * token is made: one that says nothing of it cannot manage anything, whatever its owner may.
 */
export type ManageScope = (typeof MANAGE_SCOPES)[number];

/** Whether scopes allow a request to an area; to undefined, only those for all areas do. */
export function allowsManagement(
  scopes: readonly ManageScope[],
  area: ManagementArea | undefined,
  reads: boolean,
): boolean {
  return scopes.some((scope) => scope === 'manage' || scope === area || (scope === 'read' && reads));
}
