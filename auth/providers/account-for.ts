import type { TeamStore } from '../accounts/account-store.ts';
import { parseAccountName } from '../accounts/names.ts';
import { LoginRefusedError, SettingInvalidError } from '../errors.ts';
import { type LinkedAccountStore, LONGEST_SUBJECT } from './linked-account-store.ts';
import type { Provider } from './provider.ts';

/** What a provider has said about somebody, after it was verified. */
export type PersonClaims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string };

/**
 * The name of the account of somebody for whom a provider has spoken: the one that belongs to them there, or one that
 * is made now. Its teams, of those that the provider's groups stand for, become what the provider says; who is in no
 * group, or of whom it says nothing, leaves all of these. Throws LoginRefusedError, AccountExistsError.
 */
export async function accountFor(
  { linkedAccounts, teams }: { readonly linkedAccounts: LinkedAccountStore; readonly teams: TeamStore },
  provider: Provider,
  claims: PersonClaims,
): Promise<string> {
  const subject = { issuer: claims.iss, subject: claims.sub };
  if (claims.sub === '' || claims.sub.length > LONGEST_SUBJECT) {
    throw new LoginRefusedError('the identity provider does not say who you are in "sub"');
  }
  const name =
    (await linkedAccounts.find(subject)) ?? (await linkedAccounts.create(subject, newName(provider, claims)));
  const groups = groupsOf(claims[provider.groupsClaim]);
  const joined = Object.entries(provider.groups).flatMap(([group, team]) =>
    groups.includes(group) ? team : [],
  );
  await teams.setTeamsOf(name, Object.values(provider.groups), joined);
  return name;
}

function newName({ nameClaim }: Provider, claims: PersonClaims): string {
  const said = claims[nameClaim];
  if (typeof said !== 'string' || said === '') {
    throw new LoginRefusedError(`the identity provider gives no name in the claim "${nameClaim}"`);
  }
  // OpenID Connect Core, section 5.1; some providers send it as text. Who leaves it out has verified nothing.
  if (nameClaim === 'email' && ![true, 'true'].includes(claims.email_verified as boolean | string)) {
    throw new LoginRefusedError(
      'the identity provider does not say that it has verified your address ("email_verified"): have it do that first',
    );
  }
  try {
    return parseAccountName(said.toLowerCase());
  } catch (error) {
    if (!(error instanceof SettingInvalidError)) throw error;
    throw new LoginRefusedError(
      `the identity provider calls you what no account can be called: ${error.message}`,
    );
  }
}

function groupsOf(said: unknown): readonly string[] {
  if (typeof said === 'string') return [said];
  return Array.isArray(said) ? said.filter((group) => typeof group === 'string') : [];
}
