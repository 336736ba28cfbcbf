import { parseTeamName } from '../accounts/names.ts';
import { SettingInvalidError } from '../errors.ts';
import { isIssuer } from '../issuer.ts';
import type { Provider } from './provider.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const CLAIM = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$/;
const LONGEST_CLIENT = 512;
const LONGEST_GROUP = 512;
const MOST_GROUPS = 200;

/** A provider as an administrator writes it; `preferred_username` and `groups` are the default claims. */
export type ProviderText = Omit<Provider, 'nameClaim' | 'groupsClaim' | 'groups'> & {
  readonly nameClaim?: string | undefined;
  readonly groupsClaim?: string | undefined;
  readonly groups?: Readonly<Record<string, string>> | undefined;
};

/** Throws SettingInvalidError, which says what to write instead and never quotes the secret. */
export function parseProvider(text: ProviderText): Provider {
  const { name, issuer, clientId, clientSecret } = text;
  const { nameClaim = 'preferred_username', groupsClaim = 'groups', groups = {} } = text;
  if (!NAME.test(name)) {
    refuse(`${quoted(name)} is not a name of a provider: write lower-case letters, digits and . _ -`);
  }
  if (!isIssuer(issuer)) {
    refuse(
      `${quoted(issuer)} is not an issuer: write the https URL below which /.well-known/openid-configuration is`,
    );
  }
  if (clientId === '' || clientId.length > LONGEST_CLIENT) {
    refuse('a provider needs the client id of this registry');
  }
  if (clientSecret === '' || clientSecret.length > LONGEST_CLIENT || /\s/.test(clientSecret)) {
    refuse(`a provider needs the client secret, of 1 to ${LONGEST_CLIENT} characters without spaces`);
  }
  for (const claim of [nameClaim, groupsClaim]) {
    if (!CLAIM.test(claim))
      refuse(`${quoted(claim)} is not a name of a claim: write one such as preferred_username`);
  }
  const entries = Object.entries(groups);
  if (entries.length > MOST_GROUPS) refuse(`a provider may have at most ${MOST_GROUPS} groups`);
  for (const [group, team] of entries) {
    if (group === '' || group.length > LONGEST_GROUP) {
      refuse(`${quoted(group)} is not a group: write GROUP=TEAM, such as developers=dev`);
    }
    parseTeamName(team);
  }
  return { name, issuer, clientId, clientSecret, nameClaim, groupsClaim, groups: { ...groups } };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function refuse(message: string): never {
  throw new SettingInvalidError(message);
}
