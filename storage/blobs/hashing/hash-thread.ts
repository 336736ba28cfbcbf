import type { DigestAlgorithm } from '../../../oci/digest.ts';
import { type ContentHash, type Hasher, INLINE_HASHER, type SocketReceiver } from './content-hash.ts';
import type { HashRing } from './hash-ring.ts';
import { HashWorkerClient } from './hash-worker-client.ts';

/**
 * Minimum first chunk for the thread: smaller content is hashed at once, because a message to another thread would take
 * longer.
 */
const SMALLEST_FIRST_CHUNK = 16 * 1024;

/**
 * Hashes large content on a separate thread, which starts with the first such content. Each growing hash has a buffer
 * of 256 KiB to the thread.
 */
export class HashThread implements Hasher {
  #line: HashWorkerClient | undefined;

  begin(algorithm: DigestAlgorithm): ContentHash {
    return new UndecidedHash(algorithm, () => {
      if (this.#line === undefined || this.#line.failure !== undefined) this.#line = new HashWorkerClient();
      return new ThreadHash(algorithm, this.#line);
    });
  }

  /** Ends the thread; its pending hashes fail. */
  async close(): Promise<void> {
    await this.#line?.close();
  }
}

/** A hash that chooses the thread or inline hashing at its first chunk. */
class UndecidedHash implements ContentHash {
  readonly algorithm: DigestAlgorithm;
  readonly #beginOnThread: () => ContentHash;
  #hash: ContentHash | undefined;

  constructor(algorithm: DigestAlgorithm, beginOnThread: () => ContentHash) {
    this.algorithm = algorithm;
    this.#beginOnThread = beginOnThread;
  }

  update(chunk: Uint8Array): Promise<void> | undefined {
    this.#hash ??=
      chunk.byteLength < SMALLEST_FIRST_CHUNK ? INLINE_HASHER.begin(this.algorithm) : this.#beginOnThread();
    return this.#hash.update(chunk);
  }

  receiver(): SocketReceiver | undefined {
    if (process.platform !== 'linux') return undefined;
    this.#hash ??= this.#beginOnThread();
    return this.#hash.receiver();
  }

  rest(): void {
    this.#hash?.rest();
  }

  digest(): Promise<string> {
    return (this.#hash ?? INLINE_HASHER.begin(this.algorithm)).digest();
  }

  drop(): void {
    this.#hash?.drop();
  }
}

class ThreadHash implements ContentHash {
  readonly algorithm: DigestAlgorithm;
  readonly #line: HashWorkerClient;
  readonly #key: number;
  #ring: HashRing | undefined;

  constructor(algorithm: DigestAlgorithm, line: HashWorkerClient) {
    this.algorithm = algorithm;
    this.#line = line;
    this.#key = line.begin(algorithm);
  }

  update(chunk: Uint8Array): Promise<void> | undefined {
    this.#ring ??= this.#line.feed(this.#key);
    const taken = this.#ring.fill(chunk, 0);
    this.#line.ring();
    return taken === chunk.byteLength ? undefined : this.#updateRest(this.#ring, chunk, taken);
  }

  receiver(): SocketReceiver {
    return (transfer, onProgress, signal) => {
      this.rest();
      return this.#line.receive(this.#key, transfer, onProgress, signal);
    };
  }

  rest(): void {
    if (this.#ring !== undefined) this.#line.rest(this.#key, this.#ring);
    this.#ring = undefined;
  }

  digest(): Promise<string> {
    return this.#line.digest(this.#key, this.#ring);
  }

  drop(): void {
    this.#line.drop(this.#key, this.#ring);
    this.#ring = undefined;
  }

  async #updateRest(ring: HashRing, chunk: Uint8Array, offset: number): Promise<void> {
    for (let taken = offset; taken < chunk.byteLength; ) {
      await this.#line.orFailure(ring.room());
      taken = ring.fill(chunk, taken);
      this.#line.ring();
    }
  }
}
