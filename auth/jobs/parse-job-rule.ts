import { parsePattern } from '../access/pattern.ts';
import { isRole, ROLES } from '../access/role.ts';
import { SettingInvalidError } from '../errors.ts';
import { isIssuer } from '../issuer.ts';
import type { JobRule } from './job-rule.ts';

const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const CLAIM = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$/;
const LONGEST_VALUE = 512;
const MOST_CLAIMS = 20;

/** A rule as an administrator writes it. */
export type JobRuleText = { readonly [Field in keyof Omit<JobRule, 'claims'>]: string } & {
  readonly claims: Readonly<Record<string, string>>;
};

/** Throws SettingInvalidError, which says what to write instead. */
export function parseJobRule(text: JobRuleText): JobRule {
  const { name, issuer, audience, claims, role } = text;
  if (!NAME.test(name)) {
    refuse(`${quoted(name)} is not a name of a rule: write lower-case letters, digits and . _ -`);
  }
  if (!isIssuer(issuer)) {
    refuse(
      `${quoted(issuer)} is not an issuer: write its https URL, exactly as in the claim "iss" of the tokens`,
    );
  }
  if (audience === '' || audience.length > LONGEST_VALUE) {
    refuse('a rule needs the audience for which the tokens are made, such as the URL of this registry');
  }
  const entries = Object.entries(claims);
  if (entries.length === 0 || entries.length > MOST_CLAIMS) {
    refuse(`a rule needs 1 to ${MOST_CLAIMS} claims: without one, every job of the issuer would match`);
  }
  for (const [claim, value] of entries) {
    if (!CLAIM.test(claim) || value === '' || value.length > LONGEST_VALUE) {
      refuse(`${quoted(`${claim}=${value}`)} is no claim: write NAME=VALUE, such as repository=team/app`);
    }
    if (/^\*+$/.test(value)) refuse(`the claim ${claim} would match any value: write its beginning`);
  }
  if (!isRole(role) || role === 'admin') {
    refuse(
      `${quoted(role)} is not a role for a job: choose one of ${ROLES.filter((one) => one !== 'admin').join(', ')}`,
    );
  }
  return { name, issuer, audience, claims: { ...claims }, role, pattern: parsePattern(text.pattern) };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

function refuse(message: string): never {
  throw new SettingInvalidError(message);
}
