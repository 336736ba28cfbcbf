import { join } from 'node:path';
import { UploadUnknownError } from '../../errors.ts';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../../oci/digest.ts';

/** Folders under a driver's root. */
export const BLOBS = 'blobs';
export const UPLOADS = 'uploads';

/** Where a blob lies, relative to the root: `blobs/sha256/ab/ab12…`. */
export function blobLocation(digest: Digest): string {
  const hex = digestHex(digest);
  return `${BLOBS}/${digestAlgorithm(digest)}/${hex.slice(0, 2)}/${hex}`;
}

/** The digest that a location names, or undefined when no blob can lie there. */
export function digestAtLocation(location: string): Digest | undefined {
  const [, algorithm, , hex] = location.split('/');
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) && blobLocation(digest) === location ? digest : undefined;
}

/** The absolute path of a blob. Throws when `location` was not made by blobLocation: it must not lead elsewhere. */
export function blobPath(root: string, location: string): string {
  if (digestAtLocation(location) === undefined) {
    throw new Error(`${JSON.stringify(location)} is not the location of a blob of this folder`);
  }
  return join(root, location);
}

/** The absolute path of an upload's bytes. Throws UploadUnknownError when `id` is no UUID. */
export function uploadPath(root: string, id: string): string {
  if (!isUploadId(id))
    throw new UploadUnknownError(`no upload has the id ${JSON.stringify(id.slice(0, 80))}`);
  return join(root, UPLOADS, id);
}

export function isUploadId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
