import { formatScope, type Scope } from './access/scope.ts';

/** The authentication scheme that a registry requests. */
export type ChallengeKind =
  | { readonly kind: 'basic' }
  /** `realm` is the absolute URL of the token server, `service` its name for the registry. */
  | { readonly kind: 'bearer'; readonly realm: string; readonly service: string };

/** Why the sent credentials do not suffice; RFC 6750, section 3.1. */
export type ChallengeError = 'invalid_token' | 'insufficient_scope';

/** The access that a challenge is about. */
export interface ChallengeTopic {
  readonly scopes?: readonly Scope[];
  readonly error?: ChallengeError;
}

/** HTTP Basic (RFC 7617). */
export const BASIC_CHALLENGE = 'Basic realm="berth"';

/**
 * Returns the value of WWW-Authenticate that requests credentials from a client (RFC 9110, section 11.6.1; Docker token
 * protocol, "How to authenticate"). One challenge per header line: several clients read only the first.
 */
export function authenticateChallenge(
  kind: ChallengeKind,
  { scopes = [], error }: ChallengeTopic = {},
): string {
  if (kind.kind === 'basic') return BASIC_CHALLENGE;
  const parameters = [`realm=${quoted(kind.realm)}`, `service=${quoted(kind.service)}`];
  if (scopes.length > 0) parameters.push(`scope=${quoted(scopes.map(formatScope).join(' '))}`);
  if (error !== undefined) parameters.push(`error=${quoted(error)}`);
  return `Bearer ${parameters.join(',')}`;
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
