import { isRole, ROLES } from '../access/role.ts';
import type { RoleGrant } from '../accounts/role-store.ts';
import { SettingInvalidError } from '../errors.ts';

/** Throws SettingInvalidError for a role that is none, or that everybody may not have. */
export function parseRole({ role, ...rest }: Omit<RoleGrant, 'role'> & { readonly role: string }): RoleGrant {
  if (!isRole(role)) {
    throw new SettingInvalidError(
      `${JSON.stringify(role.slice(0, 80))} is no role: choose one of ${ROLES.join(', ')}`,
    );
  }
  if (rest.holder.kind === 'public' && role !== 'reader') {
    throw new SettingInvalidError('whoever has not logged in can be a reader, and nothing more');
  }
  return { ...rest, role };
}
