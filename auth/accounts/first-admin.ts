import { AccountExistsError } from '../errors.ts';
import { checkPassword, makePassword } from '../passwords/password.ts';
import type { PasswordHasher } from '../passwords/password-hasher.ts';
import type { AccountStore } from './account-store.ts';

/** The name of the first account. */
export const ADMIN_NAME = 'admin';

export type FirstAdmin =
  | { readonly kind: 'present' }
  | { readonly kind: 'made'; readonly name: string }
  /** The password exists nowhere else and must be shown once. */
  | { readonly kind: 'made-with-password'; readonly name: string; readonly password: string };

/**
 * Creates an administrator if there is none, with `chosenPassword` or a random password. An existing account is never
 * changed. Throws PasswordRefusedError, also when an administrator exists and `chosenPassword` can no longer apply.
 */
export async function ensureAdmin(
  accounts: Pick<AccountStore, 'create' | 'list'>,
  hasher: PasswordHasher,
  chosenPassword?: string,
): Promise<FirstAdmin> {
  if (chosenPassword !== undefined) checkPassword(chosenPassword, 'the password of the administrator');
  if ((await accounts.list()).some(({ admin }) => admin)) return { kind: 'present' };
  const password = chosenPassword ?? makePassword();
  const passwordHash = await hasher.hash(password);
  try {
    await accounts.create({ name: ADMIN_NAME, passwordHash, admin: true, createdAt: new Date() });
  } catch (error) {
    // Another process on the same database was first.
    if (error instanceof AccountExistsError) return { kind: 'present' };
    throw error;
  }
  if (chosenPassword !== undefined) return { kind: 'made', name: ADMIN_NAME };
  return { kind: 'made-with-password', name: ADMIN_NAME, password };
}
