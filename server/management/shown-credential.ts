import { formatHolder } from '../../auth/accounts/names.ts';
import { formatLimit, parseLimits } from '../../auth/administration/limits.ts';
import type { CredentialTerms, MadeCredential } from '../../auth/administration/make-credential.ts';
import type { Credential } from '../../auth/credentials/credential-store.ts';

/** A credential as the API shows it: all but the secret's hash. */
export function shownCredential(credential: Credential) {
  const { id, name, owner, limits, createdAt, expiresAt, lastUsedAt } = credential;
  return {
    id,
    name,
    owner: formatHolder(owner),
    scopes: limits?.map(formatLimit) ?? null,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}

/** By what lists of credentials are ordered. */
export function keyOfCredential({ name, createdAt, id }: Credential): readonly string[] {
  return [name, createdAt.toISOString(), id];
}

/** One that was just made, with its secret, which is shown this once. */
export function shownSecret({ credential, secret }: MadeCredential) {
  return { ...shownCredential(credential), secret };
}

/** Milliseconds that a credential lasts when nothing is said. */
const USUAL_LIFE = 90 * 24 * 60 * 60 * 1000;

/** When a new credential ends; null is never. */
export function endOf(expiresAt: Date | null | undefined): { readonly expiresAt?: Date } {
  return expiresAt === null ? {} : { expiresAt: expiresAt ?? new Date(Date.now() + USUAL_LIFE) };
}

/** Throws SettingInvalidError. */
export function termsOf(fields: {
  readonly scopes?: readonly string[];
  readonly expiresAt?: Date | null;
}): CredentialTerms {
  return {
    ...(fields.scopes !== undefined && { limits: parseLimits(fields.scopes) }),
    ...endOf(fields.expiresAt),
  };
}
