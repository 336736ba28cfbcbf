/** Random bytes of a join token. */
export const JOIN_SECRET_BYTES = 32;

/** The parts of a join token. */
export interface JoinToken {
  /** `bjt_…` without the authority; the registry stores only its hash. */
  readonly secret: string;
  /**
   * SHA-256 of the DER form of the last certificate in the registry's chain: its authority, or its own certificate if
   * it sends no other. Absent for a public authority.
   */
  readonly authority?: Buffer;
}

const SECRET = /^bjt_[A-Za-z0-9_-]{43}$/;
const HASH = /^[A-Za-z0-9_-]{43}$/;

/** Formats a join token: `bjt_SECRET`, and `.HASH` of the authority in base64url if there is one. */
export function formatJoinToken(secret: Uint8Array, authority?: Uint8Array): string {
  const text = `bjt_${Buffer.from(secret).toString('base64url')}`;
  return authority === undefined ? text : `${text}.${Buffer.from(authority).toString('base64url')}`;
}

/** Parses a join token; undefined if the text is not one. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [secret = '', authority, ...more] = text.split('.');
  if (!SECRET.test(secret) || more.length > 0) return undefined;
  if (authority === undefined) return { secret };
  return HASH.test(authority) ? { secret, authority: Buffer.from(authority, 'base64url') } : undefined;
}

/**
 * Returns the text that a host signs with its key to prove its identity, in UTF-8. `challenge` comes from the registry.
 */
export function challengeText(challenge: string): string {
  return `berth-host-token\n${challenge}`;
}
