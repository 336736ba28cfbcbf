import type { AccountStore } from '../accounts/account-store.ts';
import { parseAccountName } from '../accounts/names.ts';
import { checkPassword, makePassword } from '../passwords/password.ts';
import type { HashTurn, PasswordHasher } from '../passwords/password-hasher.ts';

/** Hashes passwords, for a client or, by default, for a command. */
export interface Hashing {
  readonly hasher: PasswordHasher;
  readonly turn?: HashTurn;
}

export interface NewAccount {
  readonly name: string;
  /** Random by default. */
  readonly password?: string;
  readonly admin?: boolean;
}

/**
 * Creates an account. Returns its password if it was generated, to be shown once. Throws AccountExistsError,
 * PasswordRefusedError, SettingInvalidError.
 */
export async function addAccount(
  accounts: AccountStore,
  { name, password, admin = false }: NewAccount,
  hashing: Hashing,
): Promise<string | undefined> {
  parseAccountName(name);
  const chosen = await passwordOf(password, hashing);
  await accounts.create({ name, passwordHash: chosen.hash, admin, createdAt: new Date() });
  return chosen.made;
}

/**
 * Changes an account's password, to a random one by default, which it returns. Its logins end; its tokens do not.
 * Throws EntryUnknownError, PasswordRefusedError.
 */
export async function changePassword(
  accounts: AccountStore,
  name: string,
  password: string | undefined,
  hashing: Hashing,
): Promise<string | undefined> {
  const chosen = await passwordOf(password, hashing);
  await accounts.update(name, { passwordHash: chosen.hash });
  return chosen.made;
}

async function passwordOf(
  given: string | undefined,
  { hasher, turn }: Hashing,
): Promise<{ hash: string; made: string | undefined }> {
  if (given !== undefined) checkPassword(given, 'the password');
  const made = given === undefined ? makePassword() : undefined;
  return { hash: await hasher.hash(given ?? made ?? '', turn), made };
}
