import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../../../oci/digest.ts';
import { UploadUnknownError } from '../../errors.ts';

/** Folders under a driver's root. */
export const BLOBS = 'blobs';
export const UPLOADS = 'uploads';
export const QUARANTINE = 'quarantine';
export const JOURNAL = 'journal';

/** What the location of a blob says. */
export interface BlobName {
  readonly digest: Digest;
  /** The upload that was committed there. */
  readonly uploadId: string;
}

/** The folder of a blob and of its copies, relative to the root: `blobs/sha256/ab`. */
export function blobFolder(digest: Digest): string {
  return `${BLOBS}/${digestAlgorithm(digest)}/${digestHex(digest).slice(0, 2)}`;
}

/** Where a blob lies, relative to the root: `blobs/sha256/ab/ab12….<upload>`. No two commits have one location. */
export function blobLocation({ digest, uploadId }: BlobName): string {
  return `${blobFolder(digest)}/${digestHex(digest)}.${uploadId}`;
}

/** What a location says, or undefined when no blob can lie there. */
export function nameAtLocation(location: string): BlobName | undefined {
  const [, algorithm, , file = ''] = location.split('/');
  const dot = file.indexOf('.');
  const digest = `${algorithm}:${file.slice(0, Math.max(dot, 0))}`;
  const uploadId = file.slice(dot + 1);
  if (!isDigest(digest) || !isUploadId(uploadId)) return undefined;
  return blobLocation({ digest, uploadId }) === location ? { digest, uploadId } : undefined;
}

/** The absolute path of a blob. Throws when `location` was not made by blobLocation: it must not lead elsewhere. */
export function blobPath(root: string, location: string): string {
  refuseOther(location);
  return join(root, location);
}

/** The absolute path where a damaged blob is kept for people to look at. Throws as blobPath does. */
export function quarantinePath(root: string, location: string): string {
  refuseOther(location);
  return join(root, QUARANTINE, location.slice(location.lastIndexOf('/') + 1));
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

function refuseOther(location: string): void {
  if (nameAtLocation(location) === undefined) {
    throw new Error(`${JSON.stringify(location)} is not the location of a blob of this folder`);
  }
}
