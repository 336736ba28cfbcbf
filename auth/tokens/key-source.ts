import type { JWTVerifyGetKey } from 'jose';

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
