import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';

/** Blobs in a folder of the client's, an OCI layout, by their digests. The client keeps its index itself. */
export interface ClientContent {
  /** The size in bytes; undefined where it is not there. */
  find(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  /** As the client has it, so what comes is to be checked. Throws EngineError 'not-found'. */
  read(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Puts a blob there, whole or not at all, and nothing where it is. `progress` gets the bytes that have gone. Throws EngineError
   * 'bad-request' with the client's words where it cannot keep it.
   */
  write(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    content: () => AsyncIterable<Uint8Array>,
    progress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
