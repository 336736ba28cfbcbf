import type { ChallengeKind } from '../auth/challenge.ts';
import type { RequestOrigin } from './http/forwarded.ts';
import { isHost } from './http/forwarded.ts';

/** The challenge that clients receive. */
export type ChallengePolicy =
  | { readonly kind: 'basic' }
  /** Without `realm` the token server is this server, under the name that the client uses for it. */
  | { readonly kind: 'bearer'; readonly service: string; readonly realm?: string };

/** Path of the token server, after the path prefix. */
export const TOKEN_PATH = '/token';

/** Returns the challenge for one request. A client whose Host header cannot be part of a URL gets Basic. */
export function challengeFor(
  policy: ChallengePolicy,
  { protocol, host }: RequestOrigin,
  pathPrefix: string,
): ChallengeKind {
  if (policy.kind === 'basic') return policy;
  if (policy.realm === undefined && !isHost(host)) return { kind: 'basic' };
  const { service, realm = `${protocol}://${host}${pathPrefix}${TOKEN_PATH}` } = policy;
  return { kind: 'bearer', realm, service };
}
