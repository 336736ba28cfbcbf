import { createHash, type Hash } from 'node:crypto';
import type { DigestAlgorithm } from '../../oci/digest.ts';

/** A hash of bytes that come piece by piece. It ends by `digest` or `drop`, and is not used afterwards. */
export interface ContentHash {
  readonly algorithm: DigestAlgorithm;
  /** Is done with `chunk` at once, or when the promise resolves; no other call before that. */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /** Nothing comes for a while: lets go of what only a growing hash needs. */
  rest(): void;
  /** Lower-case hex. */
  digest(): Promise<string>;
  /** Lets go of everything. */
  drop(): void;
}

/** Begins hashes of nothing. */
export interface Hasher {
  begin(algorithm: DigestAlgorithm): ContentHash;
}

/** Hashes at once, on the thread that calls. */
export const INLINE_HASHER: Hasher = {
  begin: (algorithm) => new InlineHash(algorithm),
};

class InlineHash implements ContentHash {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;

  constructor(algorithm: DigestAlgorithm) {
    this.algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(chunk: Uint8Array): undefined {
    this.#hash.update(chunk);
  }

  rest(): void {}

  async digest(): Promise<string> {
    return this.#hash.digest('hex');
  }

  drop(): void {}
}
