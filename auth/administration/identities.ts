import type { AccountStore } from '../accounts/account-store.ts';
import { unknownAccount } from '../accounts/knex-account-store.ts';
import { EntryUnknownError, SettingInvalidError } from '../errors.ts';
import {
  type LinkedAccountStore,
  LONGEST_SUBJECT,
  type ProviderSubject,
} from '../providers/linked-account-store.ts';
import type { ProviderStore } from '../providers/provider.ts';

/** Somebody at a provider to whom an account belongs. */
export type LinkedIdentity = ProviderSubject;

interface Stores {
  readonly accounts: AccountStore;
  readonly linkedAccounts: LinkedAccountStore;
  readonly providers: ProviderStore;
}

/**
 * Gives an account that is there to somebody at a provider, by the `sub` that the provider knows them by: they log in to it
 * from now on. Its password stays. Throws SettingInvalidError, EntryUnknownError, and AccountExistsError when the subject
 * has an account already.
 */
export async function linkIdentity(
  { accounts, linkedAccounts, providers }: Stores,
  account: string,
  { provider, subject }: { readonly provider: string; readonly subject: string },
): Promise<LinkedIdentity> {
  if (subject === '' || subject.length > LONGEST_SUBJECT || /\p{Cc}/u.test(subject)) {
    throw new SettingInvalidError(
      `the subject is what the provider calls somebody in "sub", of at most ${LONGEST_SUBJECT} characters`,
    );
  }
  const issuer = await issuerOf({ providers }, provider);
  if ((await accounts.find(account)) === undefined) throw unknownAccount(account);
  await linkedAccounts.link({ issuer, subject }, account);
  return { issuer, subject };
}

/** Takes an account from whoever logs in to it at a provider; tokens and sessions that are out go on. Throws EntryUnknownError. */
export async function unlinkIdentity(
  { linkedAccounts, providers }: Stores,
  account: string,
  provider: string,
): Promise<void> {
  const issuer = await issuerOf({ providers }, provider);
  if (await linkedAccounts.unlink(issuer, account)) return;
  throw new EntryUnknownError(`nobody of the provider "${provider}" logs in to the account "${account}"`);
}

async function issuerOf({ providers }: Pick<Stores, 'providers'>, name: string): Promise<string> {
  const found = (await providers.list()).find((provider) => provider.name === name);
  if (found === undefined) throw new EntryUnknownError(`there is no provider named "${name}"`);
  return found.issuer;
}
