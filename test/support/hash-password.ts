import { PasswordHasher } from '../../auth/passwords/password-hasher.ts';

const hasher = new PasswordHasher(1);

/** The hash of a password, as accounts keep it. */
export function hashPassword(password: string): Promise<string> {
  return hasher.hash(password);
}
