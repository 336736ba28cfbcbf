import { hash } from 'node:crypto';
import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { holdsAt, type Identity } from '../access/access.ts';
import { limitedTo, type Rights } from '../access/rights.ts';
import type { Grant } from '../access/role.ts';
import { TokenInvalidError } from '../errors.ts';
import { bearerOf, claimsOf, listsOf, type TokenClaims } from './token-claims.ts';

/** Seconds by which the clocks of those who issue and verify may differ. */
const CLOCK_TOLERANCE = 30;
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const MOST_KNOWN = 10_000;

export interface TokenVerifierOptions {
  readonly issuer: string;
  /** The service that tokens must be for. */
  readonly audience: string;
  readonly keys: KeySource;
  /** What lists show to whom a token was given that grants lists; `undefined` for somebody who has gone. */
  readonly seenBy: (subject: Pick<TokenClaims, 'kind' | 'subject'>) => Promise<Rights | undefined>;
}

/**
 * Verifies bearer tokens (RFC 7519) and remembers which were right, by their hash, until they end or a key is
 * withdrawn. At most ten thousand; all go when it is full.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #known = new Map<string, Identity>();
  #generation: number | undefined;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /** Whose token it is, where that was found out before and still holds. */
  known(token: string): Identity | undefined {
    const generation = this.#options.keys.generation();
    if (generation === undefined || generation !== this.#generation) return undefined;
    const identity = this.#known.get(hash('sha256', token, 'base64'));
    return identity !== undefined && holdsAt(identity, Date.now()) ? identity : undefined;
  }

  /** Throws TokenInvalidError, which says why, but not what the token holds. */
  async verify(token: string): Promise<Identity> {
    const known = this.known(token);
    if (known !== undefined) return known;
    const generation = this.#options.keys.generation();
    const identity = await this.#verify(token);
    if (generation !== undefined) this.#remember(token, identity, generation);
    return identity;
  }

  #remember(token: string, identity: Identity, generation: number): void {
    if (this.#generation !== generation || this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#generation = generation;
    this.#known.set(hash('sha256', token, 'base64'), identity);
  }

  async #verify(token: string): Promise<Identity> {
    const { audience, issuer, keys, seenBy } = this.#options;
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        algorithms: ALGORITHMS,
        audience,
        issuer,
        clockTolerance: CLOCK_TOLERANCE,
        requiredClaims: ['exp'],
      });
      const claims = claimsOf(payload);
      const until = ((payload.exp ?? 0) + CLOCK_TOLERANCE) * 1000;
      // Of a job or a host nothing more is known than what its token says.
      const isAccount = claims.kind === 'user' || claims.kind === 'robot';
      if (!listsOf(claims.scopes) || !isAccount) return bearerOf(claims, until);
      const sees = await seenBy(claims);
      if (sees === undefined) throw new TokenInvalidError('the account of the token is gone');
      const limits = claims.within?.map((pattern): Grant => ({ pattern, actions: ['pull'] }));
      return bearerOf(claims, until, limitedTo(sees, limits));
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      throw new TokenInvalidError(complaint(cause), { cause });
    }
  }
}

function complaint(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `the token does not count here: its claim ${error.claim} is not as it must be`;
  }
  return 'the token is not one of this registry';
}

/** Where the keys come from that tokens are verified with. */
export interface KeySource {
  /** The key that a token names; rejects with an error of jose when there is none. */
  readonly find: JWTVerifyGetKey;
  /**
   * Another number after a key has stopped to count, so that what was verified before has to be verified anew;
   * undefined while that cannot be told at once.
   */
  generation(): number | undefined;
}
