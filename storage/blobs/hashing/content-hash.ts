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
  /** Has consumed `chunk` on return, or when the promise resolves; no other call before that. */
  update(chunk: Uint8Array): Promise<void> | undefined;
  /**
   * How bytes get into it past this thread, or undefined when they cannot. It is used when no `update` runs, and takes
   * what ReceiveThread.receive takes. What was received counts as put into the hash, also when it could not be written.
   */
  receiver(): SocketReceiver | undefined;
  /** No bytes are expected for a while: releases resources that only a growing hash needs. */
  rest(): void;
  /** Lower-case hex. */
  digest(): Promise<string>;
  /** Releases all resources. */
  drop(): void;
}

/** Begins hashes of nothing. */
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
