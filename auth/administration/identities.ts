import type { AccountStore } from '../accounts/account-store.ts';
import { unknownAccount } from '../accounts/knex-account-store.ts';
import { EntryUnknownError, SettingInvalidError } from '../errors.ts';
import {
  type LinkedAccountStore,
  LONGEST_SUBJECT,
  type ProviderSubject,
} from '../providers/linked-account-store.ts';
import type { ProviderStore } from '../providers/provider.ts';

/** A person at a provider who owns an account. */
export type LinkedIdentity = ProviderSubject;

interface Stores {
  readonly accounts: AccountStore;
  readonly linkedAccounts: LinkedAccountStore;
  readonly providers: ProviderStore;
}

/**
 * Links an existing account to a person at a provider, by the provider's `sub`: the person logs in to it from now on.
 * Its password stays. Throws SettingInvalidError, EntryUnknownError, and AccountExistsError when the subject has an
 * account already.
 */
export async function linkIdentity(
  { accounts, linkedAccounts, providers }: Stores,
  account: string,
  { provider, subject }: { readonly provider: string; readonly subject: string },
): Promise<LinkedIdentity> {
  if (subject === '' || subject.length > LONGEST_SUBJECT || /\p{Cc}/u.test(subject)) {
    throw new SettingInvalidError(
      `the subject is the value of the provider's claim "sub", of at most ${LONGEST_SUBJECT} characters`,
    );
  }
  const issuer = await issuerOf({ providers }, provider);
  if ((await accounts.find(account)) === undefined) throw unknownAccount(account);
  await linkedAccounts.link({ issuer, subject }, account);
  return { issuer, subject };
}

/**
 * Unlinks an account from the person who logs in to it at a provider; existing tokens and sessions stay valid. Throws
 * EntryUnknownError.
 */
export async function unlinkIdentity(
  { linkedAccounts, providers }: Stores,
  account: string,
  provider: string,
): Promise<void> {
  const issuer = await issuerOf({ providers }, provider);
  if (await linkedAccounts.unlink(issuer, account)) return;
  throw new EntryUnknownError(`the account "${account}" is not linked to the provider "${provider}"`);
}

async function issuerOf({ providers }: Pick<Stores, 'providers'>, name: string): Promise<string> {
  const found = (await providers.list()).find((provider) => provider.name === name);
  if (found === undefined) throw new EntryUnknownError(`there is no provider named "${name}"`);
  return found.issuer;
}
