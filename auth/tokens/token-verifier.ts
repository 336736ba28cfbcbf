import { hash } from 'node:crypto';
import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { holdsAt, type Identity } from '../access/access.ts';
import { limitedTo, type Rights } from '../access/rights.ts';
import type { Grant } from '../access/role.ts';
import { TokenInvalidError } from '../errors.ts';
import { bearerOf, claimsOf, listsOf, type TokenClaims } from './token-claims.ts';

/** Maximum difference between the clocks of issuer and verifier, seconds. */
const CLOCK_TOLERANCE = 30;
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const MOST_KNOWN = 10_000;

export interface TokenVerifierOptions {
  readonly issuer: string;
  /** The required audience of tokens. */
  readonly audience: string;
  readonly keys: KeySource;
  /** Returns the repositories that lists show to the subject of a token; undefined for a removed account. */
  readonly seenBy: (subject: Pick<TokenClaims, 'kind' | 'subject'>) => Promise<Rights | undefined>;
}

/**
 * Verifies bearer tokens (RFC 7519) and caches the result by hash, until they expire or a key is withdrawn. Caches at
 * most ten thousand, then starts again with an empty cache.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #known = new Map<string, Identity>();
  #generation: number | undefined;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
  }

  /** Returns the cached identity of a token, if it is still valid. */
  known(token: string): Identity | undefined {
    const generation = this.#options.keys.generation();
    if (generation === undefined || generation !== this.#generation) return undefined;
    const identity = this.#known.get(hash('sha256', token, 'base64'));
    return identity !== undefined && holdsAt(identity, Date.now()) ? identity : undefined;
  }

  /** Throws TokenInvalidError, which gives the reason, but does not quote the token. */
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
      // For a job or a host only the token's own claims are known.
      const isAccount = claims.kind === 'user' || claims.kind === 'robot';
      if (!listsOf(claims.scopes) || !isAccount) return bearerOf(claims, until);
      const sees = await seenBy(claims);
      if (sees === undefined) throw new TokenInvalidError('the account of the token was removed');
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
    return `the token is not valid here: its claim ${error.claim} has the wrong value`;
  }
  return 'the token is not from this registry';
}

/** The source of the keys that verify tokens. */
export interface KeySource {
  /** Finds the key that a token names; rejects with an error of jose when there is none. */
  readonly find: JWTVerifyGetKey;
  /**
   * Returns another number after a key has become invalid, so that cached results must be verified again; undefined
   * while that is not known at once.
   */
  generation(): number | undefined;
}
