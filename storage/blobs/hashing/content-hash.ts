import { createHash, type Hash } from 'node:crypto';
import type { DigestAlgorithm } from '../../../oci/digest.ts';
import type { SocketTransfer, TransferResult } from '../socket-receive/receive-thread.ts';

/** Receives bytes from a socket into a file, and puts them into a hash. */
export type SocketReceiver = (
  transfer: SocketTransfer,
  onProgress: () => void,
  signal: AbortSignal,
) => Promise<TransferResult>;

/** An incremental hash. `digest` or `drop` ends it. */
export interface ContentHash {
  readonly algorithm: DigestAlgorithm;
  /** Hashes `chunk`; it is consumed on return, or when the promise resolves. No other call is allowed before that. */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /**
   * Returns how bytes get into the hash bypassing this thread, or undefined when they cannot. It is used when no
   * `update` runs, and takes the arguments of ReceiveThread.receive. Received bytes count as hashed, even if they could
   * not be written.
   */
  receiver(): SocketReceiver | undefined;
  /** Releases resources that only a growing hash needs, because no bytes are expected for a while. */
  rest(): void;
  /** Returns the digest in lower-case hex. */
  digest(): Promise<string>;
  /** Releases all resources. */
  drop(): void;
}

/** Begins empty hashes. */
export interface Hasher {
  begin(algorithm: DigestAlgorithm): ContentHash;
}

/** Hashes synchronously, on the calling thread. */
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

  receiver(): undefined {}

  rest(): void {}

  async digest(): Promise<string> {
    return this.#hash.digest('hex');
  }

  drop(): void {}
}
