import { isRole, ROLES } from '../access/role.ts';
import type { Owner } from '../credentials/credential-store.ts';
import { SettingInvalidError } from '../errors.ts';
import type { Holder, RoleGrant } from './account-store.ts';

/** No colon, which ends the name in HTTP Basic, and no plus, which marks a robot's name. */
const ACCOUNT = /^[a-z0-9][a-z0-9._@-]{0,99}$/;
const TEAM = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** Parses the name of a person. Throws SettingInvalidError. */
export function parseAccountName(text: string): string {
  return matching(ACCOUNT, text, 'name of an account: use lower-case letters, digits and . _ @ -');
}

/** Throws SettingInvalidError. */
export function parseTeamName(text: string): string {
  return matching(TEAM, text, 'name of a team: use lower-case letters, digits and . _ -');
}

/** Returns the login name of a robot: its owner's name, a plus, and its own name. Throws SettingInvalidError. */
export function robotName(owner: Owner, text: string): string {
  return `${owner.name}+${matching(TEAM, text, 'name of a robot: use lower-case letters, digits and . _ -')}`;
}

/** Parses `user:NAME`, `team:NAME` or `public`. Throws SettingInvalidError. */
export function parseHolder(text: string): Holder {
  return text === 'public' ? { kind: 'public' } : parseOwner(text, ' or public');
}

/** Parses `user:NAME` or `team:NAME`. Throws SettingInvalidError. */
export function parseOwner(text: string, others = ''): Owner {
  const [kind, name = ''] = text.split(/:(.*)/s);
  if (kind === 'user') return { kind, name: parseAccountName(name) };
  if (kind === 'team') return { kind, name: parseTeamName(name) };
  throw new SettingInvalidError(`${shown(text)} names nobody: write user:NAME, team:NAME${others}`);
}

/** Formats a holder as parseHolder reads it. */
export function formatHolder(holder: Holder): string {
  return holder.kind === 'public' ? 'public' : `${holder.kind}:${holder.name}`;
}

function matching(form: RegExp, text: string, what: string): string {
  if (form.test(text)) return text;
  throw new SettingInvalidError(`${shown(text)} is not a valid ${what}, at most 100`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** Throws SettingInvalidError for an unknown role, or for one that clients without a login cannot have. */
export function parseRole({ role, ...rest }: Omit<RoleGrant, 'role'> & { readonly role: string }): RoleGrant {
  if (!isRole(role)) {
    throw new SettingInvalidError(
      `${JSON.stringify(role.slice(0, 80))} is not a role: choose one of ${ROLES.join(', ')}`,
    );
  }
  if (rest.holder.kind === 'public' && role !== 'reader') {
    throw new SettingInvalidError('clients without a login can only have the role reader');
  }
  return { ...rest, role };
}
