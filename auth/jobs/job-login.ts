import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { matchesWildcard } from '../../lib/pattern/wildcard.ts';
import type { Identity } from '../access/access.ts';
import { actionsOf } from '../access/role.ts';
import type { BasicCredentials, LoginMethod } from '../authenticators/login-method.ts';
import { CredentialsInvalidError } from '../errors.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { JobRule, JobRuleStore } from './job-rule.ts';

/** Maximum difference between the clocks of the issuer and this machine, seconds. */
const CLOCK_TOLERANCE = 30;
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const LONGEST_NAME = 255;

/**
 * Accepts tokens of jobs, with any user name. A job has the roles of all rules that it matches, until its token
 * expires.
 */
export class JobLogin implements LoginMethod {
  readonly #rules: JobRuleStore;
  readonly #keys = new IssuerKeys();

  constructor(rules: JobRuleStore) {
    this.#rules = rules;
  }

  async logIn({ password }: BasicCredentials): Promise<Identity | undefined> {
    const issuer = issuerOf(password);
    if (issuer === undefined) return undefined;
    const trusted = await this.#rules.list(issuer);
    if (trusted.length === 0) throw new CredentialsInvalidError('no rule trusts the issuer of this token');
    const payload = await this.#verify(password, issuer, trusted);
    const matching = trusted.filter((rule) => matches(rule, payload));
    if (matching.length === 0) throw new CredentialsInvalidError('no rule matches the claims of this token');
    return {
      kind: 'job',
      name: nameOfJob(matching, payload),
      proof: { kind: 'provider' },
      rights: {
        admin: false,
        grants: matching.map(({ pattern, role }) => ({ pattern, actions: actionsOf(role) })),
        lists: true,
      },
      until: ((payload.exp ?? 0) + CLOCK_TOLERANCE) * 1000,
    };
  }

  async #verify(token: string, issuer: string, rules: readonly JobRule[]): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, await this.#keys.of(issuer), {
        algorithms: ALGORITHMS,
        issuer,
        audience: rules.map(({ audience }) => audience),
        clockTolerance: CLOCK_TOLERANCE,
        requiredClaims: ['exp'],
      });
      return payload;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      throw new CredentialsInvalidError(complaint(error));
    }
  }
}

/**
 * Returns the name of a job in logs: the rule that admitted it, and its `sub`. Names of accounts, robots and teams have
 * no colon, so a job never looks like one, whatever its issuer says.
 */
function nameOfJob([rule]: readonly JobRule[], { sub }: JWTPayload): string {
  const said = typeof sub === 'string' && sub !== '' ? `:${sub}` : '';
  return `job:${rule?.name ?? ''}${said}`.slice(0, LONGEST_NAME);
}

/** Returns the issuer that a token claims, unverified; undefined when the text is not a signed token. */
function issuerOf(text: string): string | undefined {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(text)) return undefined;
  try {
    const { iss }: { readonly iss?: unknown } = decodeJwt(text);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

function matches({ audience, claims }: JobRule, payload: JWTPayload): boolean {
  const audiences = typeof payload.aud === 'string' ? [payload.aud] : (payload.aud ?? []);
  return (
    audiences.includes(audience) &&
    Object.entries(claims).every(([name, wanted]) => {
      const said = Object.hasOwn(payload, name) ? payload[name] : undefined;
      return ['string', 'number', 'boolean'].includes(typeof said) && matchesWildcard(wanted, String(said));
    })
  );
}

function complaint(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'the token of the job has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `the token of the job is not valid here: its claim ${error.claim} has the wrong value`;
  }
  return 'the token of the job was not signed by its issuer';
}
