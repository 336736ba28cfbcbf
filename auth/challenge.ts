import { formatScope, type Scope } from './access/scope.ts';

/** How a registry has its clients say who they are. */
export type ChallengeKind =
  | { readonly kind: 'basic' }
  /** `realm` is the absolute URL of the token server, `service` what it knows the registry as. */
  | { readonly kind: 'bearer'; readonly realm: string; readonly service: string };

/** Why what was sent is not enough; RFC 6750, section 3.1. */
export type ChallengeError = 'invalid_token' | 'insufficient_scope';

/** What a challenge asks for. */
export interface ChallengeTopic {
  readonly scopes?: readonly Scope[];
  readonly error?: ChallengeError;
}

/** HTTP Basic (RFC 7617). */
export const BASIC_CHALLENGE = 'Basic realm="berth"';

/**
 * The value of WWW-Authenticate that asks a client for credentials (RFC 9110, section 11.6.1; Docker token protocol,
 * "How to authenticate"). One challenge for each header line: several clients read the first one only.
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
