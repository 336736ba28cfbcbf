/** A part of the management API. */
export const MANAGEMENT_AREAS = ['accounts', 'audit', 'credentials', 'grants', 'keys', 'settings'] as const;
export type ManagementArea = (typeof MANAGEMENT_AREAS)[number];

/** `manage`: all areas; `read`: all areas, and changes nothing. */
export const MANAGE_SCOPES = ['manage', 'read', ...MANAGEMENT_AREAS] as const;

/**
 * Parts of the management API that a long-lived token may use, within the rights of its owner. They are chosen when the
 * token is made: a token without any manages nothing, whatever the rights of its owner.
 */
export type ManageScope = (typeof MANAGE_SCOPES)[number];

/** Reports whether scopes allow a request to an area; undefined is an area that only `manage` and `read` cover. */
export function allowsManagement(
  scopes: readonly ManageScope[],
  area: ManagementArea | undefined,
  reads: boolean,
): boolean {
  return scopes.some((scope) => scope === 'manage' || scope === area || (scope === 'read' && reads));
}
