import { concurrently } from '../../lib/sync/concurrently.ts';
import type { Digest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Database } from '../catalog/database.ts';
import { BLOB_COLUMNS, type BlobRow, blobOfRow } from '../catalog/rows.ts';
import { BlobUnknownError, DigestMismatchError, StorageUnavailableError } from '../errors.ts';

/** Rows that are read or written at a time. */
const PAGE = 500;
const ROWS_COUNTED_AT_ONCE = 10_000;
const JOBS = 16;

export interface ContentCopy {
  /** A separate catalog, whose blobs are in `from`; afterwards they are in `to`. */
  readonly catalog: Database;
  readonly from: BlobStore;
  readonly to: BlobStore;
  /** Locations of blobs in `to`; copied blobs are added. */
  readonly present: Map<Digest, string>;
  readonly signal: AbortSignal;
  readonly onCopied: (blob: StoredBlob) => void;
  /** Called at the start with the total bytes of the blobs to copy. */
  readonly onTotal?: (bytes: number) => void;
}

/** A blob that could not be copied, and the reason, as a clause; its record keeps the old location. */
export interface UncopiedBlob {
  readonly blob: StoredBlob;
  readonly message: string;
  /** Whether its file is gone, rather than damaged. */
  readonly isMissing: boolean;
}

/** Copies every blob that a catalog records, verifying it. Throws StorageFullError, StorageUnavailableError, the signal's reason. */
export async function copyContent(copy: ContentCopy): Promise<readonly UncopiedBlob[]> {
  copy.onTotal?.(await bytesToCopy(copy));
  const uncopied: UncopiedBlob[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const rows: readonly BlobRow[] = await copy
      .catalog('blobs')
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(PAGE)
      .select(BLOB_COLUMNS);
    const locations = new Map<string, string>();
    await concurrently(rows.map(blobOfRow), JOBS, async (blob) => {
      const location = copy.present.get(blob.digest) ?? (await copyOne(copy, blob, uncopied));
      if (location !== undefined) locations.set(blob.digest, location);
    });
    await copy.catalog.transaction(async (trx) => {
      for (const [digest, location] of locations) await trx('blobs').where({ digest }).update({ location });
    });
    after = rows.at(-1)?.digest;
  }
  return uncopied;
}

async function bytesToCopy({ catalog, present }: ContentCopy): Promise<number> {
  let bytes = 0;
  for (let after: string | undefined = ''; after !== undefined; ) {
    const rows: readonly BlobRow[] = await catalog('blobs')
      .where('digest', '>', after)
      .orderBy('digest')
      .limit(ROWS_COUNTED_AT_ONCE)
      .select(BLOB_COLUMNS);
    for (const { digest, size } of rows.map(blobOfRow)) if (!present.has(digest)) bytes += size;
    after = rows.at(-1)?.digest;
  }
  return bytes;
}

async function copyOne(
  copy: ContentCopy,
  blob: StoredBlob,
  uncopied: UncopiedBlob[],
): Promise<string | undefined> {
  try {
    const content = await open(copy, blob);
    // Stored as a whole, it may share a sync of the device with others.
    const isSmall = blob.size <= copy.to.smallLimit;
    const { location } = await copy.to.put(
      isSmall ? await whole(content) : content,
      blob.digest,
      copy.signal,
    );
    copy.present.set(blob.digest, location);
    copy.onCopied(blob);
    return location;
  } catch (error) {
    copy.signal.throwIfAborted();
    const isMissing = error instanceof BlobUnknownError;
    if (!isMissing && !(error instanceof DigestMismatchError) && !(error instanceof UnreadableError))
      throw error;
    uncopied.push({ blob, isMissing, message: error.message });
    return undefined;
  }
}

/**
 * Opens a blob at its recorded location, or at the one where another push has stored the same content since. Throws
 * BlobUnknownError.
 */
async function open({ from, signal }: ContentCopy, blob: StoredBlob): Promise<AsyncIterable<Uint8Array>> {
  try {
    return readable(await from.read(blob, undefined, signal));
  } catch (error) {
    if (!(error instanceof BlobUnknownError)) throw unreadable(error);
    const other = await from.find(blob.digest);
    if (other === undefined) throw error;
    return readable(await from.read(other, undefined, signal));
  }
}

/** A read failed, as on a bad sector, which affects one blob; a failed write affects all. */
class UnreadableError extends Error {
  constructor(cause: unknown) {
    super(`it cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** A storage that is unreachable has not lost anything. */
function unreadable(error: unknown): unknown {
  return error instanceof StorageUnavailableError ? error : new UnreadableError(error);
}

async function* readable(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of content) yield chunk;
  } catch (error) {
    throw unreadable(error);
  }
}

async function whole(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(content));
}
