import type { TeamStore } from '../accounts/account-store.ts';
import { parseAccountName } from '../accounts/names.ts';
import { LoginRefusedError, SettingInvalidError } from '../errors.ts';
import { type LinkedAccountStore, LONGEST_SUBJECT } from './linked-account-store.ts';
import type { Provider } from './provider.ts';

/** Verified claims of a provider about a person. */
export type PersonClaims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string };

/**
 * Returns the account name of a person whom a provider has authenticated: the linked account, or a new one. The
 * provider decides the person's membership of all teams to which its groups map; a person without such groups leaves
 * all of them. Throws LoginRefusedError, AccountExistsError.
 */
export async function accountFor(
  { linkedAccounts, teams }: { readonly linkedAccounts: LinkedAccountStore; readonly teams: TeamStore },
  provider: Provider,
  claims: PersonClaims,
): Promise<string> {
  const subject = { issuer: claims.iss, subject: claims.sub };
  if (claims.sub === '' || claims.sub.length > LONGEST_SUBJECT) {
    throw new LoginRefusedError('the identity provider sent no claim "sub"');
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
    throw new LoginRefusedError(`the identity provider sent no name in the claim "${nameClaim}"`);
  }
  // OpenID Connect Core, section 5.1; some providers send it as text. A provider that omits it has verified nothing.
  if (nameClaim === 'email' && ![true, 'true'].includes(claims.email_verified as boolean | string)) {
    throw new LoginRefusedError(
      'the identity provider has not verified your address ("email_verified"): verify it there first',
    );
  }
  try {
    return parseAccountName(said.toLowerCase());
  } catch (error) {
    if (!(error instanceof SettingInvalidError)) throw error;
    throw new LoginRefusedError(
      `your name at the identity provider cannot be an account name: ${error.message}`,
    );
  }
}

function groupsOf(said: unknown): readonly string[] {
  if (typeof said === 'string') return [said];
  return Array.isArray(said) ? said.filter((group) => typeof group === 'string') : [];
}
