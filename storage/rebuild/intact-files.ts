import type { Digest } from '../../oci/digest.ts';
import { OciError } from '../../oci/errors.ts';
import { MAX_MANIFEST_SIZE, readManifest } from '../../oci/manifest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { verifyFile } from '../fsck/verify-file.ts';

/** What a store holds that is whole. */
export interface IntactFiles {
  readonly blobs: ReadonlyMap<Digest, StoredBlob>;
  /** Those that are manifests or indexes by themselves. */
  readonly manifests: ReadonlySet<Digest>;
}

/** Reads and verifies every file; `onDamaged` gets those that are not what their name says. */
export async function findIntactFiles(
  store: BlobStore,
  onDamaged: (blob: StoredBlob, message: string) => void,
  onFile: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<IntactFiles> {
  const blobs = new Map<Digest, StoredBlob>();
  const manifests = new Set<Digest>();
  for await (const { digest, size, location } of store.list(signal)) {
    if (blobs.has(digest)) continue;
    const blob = { digest, size, location };
    const message = await verifyFile(store, blob, signal, () => {});
    if (message !== undefined) {
      onDamaged(blob, message);
      continue;
    }
    blobs.set(digest, blob);
    if (await isManifest(store, blob)) manifests.add(digest);
    onFile(blobs.size);
  }
  return { blobs, manifests };
}

async function isManifest(store: BlobStore, blob: StoredBlob): Promise<boolean> {
  if (blob.size > MAX_MANIFEST_SIZE) return false;
  const bytes = await store.readAll(blob, MAX_MANIFEST_SIZE);
  if (bytes[0] !== 0x7b) return false;
  try {
    readManifest(bytes);
    return true;
  } catch (error) {
    if (error instanceof OciError) return false;
    throw error;
  }
}
