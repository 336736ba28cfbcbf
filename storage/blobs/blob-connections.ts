import type { Socket } from 'node:net';
import type { BlobDriver, ByteRange, StoredBlob } from './blob-driver.ts';

/** A blob's bytes on their way over a connection that carries nothing else. It belongs to whoever asked for it. */
export interface BlobConnection {
  /** Nothing is read from it, and it has a descriptor. */
  readonly socket: Socket;
  /** What has been read of the bytes already. */
  readonly begun: Uint8Array;
  close(): void;
}

/** What a driver can do beside BlobDriver when its blobs come over connections that are not encrypted. */
export interface BlobConnections {
  /**
   * Asks for the bytes in `range`, which lies within the blob. Undefined when they do not come at once as they should:
   * then `readBlob` tells why, or gets them after all. Throws the signal's reason.
   */
  connectBlob(blob: StoredBlob, range: ByteRange, signal?: AbortSignal): Promise<BlobConnection | undefined>;
}

export function hasBlobConnections(driver: BlobDriver): driver is BlobDriver & BlobConnections {
  return 'connectBlob' in driver;
}
