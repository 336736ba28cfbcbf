import { createPublicKey, verify } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { CredentialsInvalidError, EntryUnknownError, TokenInvalidError } from '../../auth/errors.ts';
import { type KeyRing, SIGNING_ALGORITHM } from '../../auth/tokens/key-ring.ts';
import type { ReportedHost } from '../../fleet/host.ts';
import type { HostStore } from '../../fleet/host-store.ts';
import { challengeText } from '../../fleet/join-token.ts';

/** Lifetime of a challenge, seconds. */
const CHALLENGE_LIFE = 60;
export const HOST_TOKEN_LIFE = 600;
/** Maximum difference between the clocks of two replicas, seconds. */
const CLOCK_TOLERANCE = 30;

/** Types of tokens (RFC 8725, section 3.11), which are also their audiences: no type is accepted as another. */
const CHALLENGE = 'berth-host-challenge';
const TOKEN = 'berth-host';

export interface HostTokensOptions {
  readonly hosts: Pick<HostStore, 'find'>;
  readonly issuer: string;
  readonly keys: KeyRing;
}

/**
 * Tokens of hosts. A host gets one for its signature of a challenge, so its clock does not matter. A token is valid for
 * ten minutes, while the host exists and has the key that signed (RFC 7800).
 */
export class HostTokens {
  readonly #options: HostTokensOptions;

  constructor(options: HostTokensOptions) {
    this.#options = options;
  }

  /** Returns a text for a host to sign within a minute; it does not check whether the host exists. */
  challenge(host: string): Promise<string> {
    return this.#sign(CHALLENGE, host, CHALLENGE_LIFE, {});
  }

  /**
   * Returns a token for a challenge and its signature by the host: Ed25519 of challengeText, in base64url. Throws
   * TokenInvalidError for the challenge, EntryUnknownError, CredentialsInvalidError for the signature.
   */
  async exchange(
    challenge: string,
    signature: string,
  ): Promise<{ readonly token: string; readonly expiresIn: number }> {
    const { subject } = await this.#verify(CHALLENGE, challenge, 'challenge');
    const host = await this.#options.hosts.find(subject);
    if (host?.id !== subject) throw new EntryUnknownError(UNKNOWN);
    if (!isSignedBy(host.publicKey, challenge, signature)) {
      throw new CredentialsInvalidError('the signature is not of this host, or is of another challenge');
    }
    const token = await this.#sign(TOKEN, host.id, HOST_TOKEN_LIFE, {
      cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: host.publicKey } },
    });
    return { token, expiresIn: HOST_TOKEN_LIFE };
  }

  /** Returns the current host of a token. Throws TokenInvalidError, also when the host was removed. */
  async verify(token: string): Promise<ReportedHost> {
    const { subject, key } = await this.#verify(TOKEN, token, 'token');
    const host = await this.#options.hosts.find(subject);
    if (host === undefined || host.id !== subject || host.publicKey !== key) {
      throw new TokenInvalidError(UNKNOWN);
    }
    return host;
  }

  async #sign(type: string, subject: string, life: number, claims: JWTPayload): Promise<string> {
    const { issuer, keys } = this.#options;
    const { id, privateKey } = await keys.signer();
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid: id, typ: type })
      .setIssuer(issuer)
      .setAudience(type)
      .setSubject(subject)
      .setIssuedAt(now)
      .setExpirationTime(now + life)
      .sign(privateKey);
  }

  async #verify(
    type: string,
    text: string,
    what: string,
  ): Promise<{ readonly subject: string; readonly key: unknown }> {
    try {
      const { payload } = await jwtVerify<{ cnf?: { jwk?: { x?: unknown } } }>(
        text,
        this.#options.keys.find,
        {
          algorithms: [SIGNING_ALGORITHM],
          audience: type,
          issuer: this.#options.issuer,
          typ: type,
          clockTolerance: CLOCK_TOLERANCE,
          requiredClaims: ['exp', 'sub'],
        },
      );
      return { subject: payload.sub ?? '', key: payload.cnf?.jwk?.x };
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      const why = cause instanceof errors.JWTExpired ? 'has expired' : 'is not one of this registry';
      throw new TokenInvalidError(`the ${what} ${why}: request another one`, { cause });
    }
  }
}

const UNKNOWN = 'there is no such host here: it was removed, or joined another registry';

function isSignedBy(publicKey: string, challenge: string, signature: string): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
  return verify(null, Buffer.from(challengeText(challenge)), key, Buffer.from(signature, 'base64url'));
}
