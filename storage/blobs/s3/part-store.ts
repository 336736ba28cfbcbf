import { randomBytes } from 'node:crypto';
import type { ObjectKeys } from './object-keys.ts';
import type { PartMemory } from './part-memory.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Maximum bytes of one CopyObject, and of each UploadPartCopy of a larger object. */
export interface CopyLimits {
  readonly whole: number;
  readonly part: number;
}

/** Amazon's limit, and parts large enough that an object of 5 TiB does not have too many. */
export const COPY_LIMITS: CopyLimits = { whole: 5 * 1024 ** 3, part: 1024 ** 3 };

/** Dependencies of writing an upload. */
export interface PartStore {
  readonly bucket: S3Bucket;
  readonly keys: ObjectKeys;
  readonly memory: PartMemory;
  readonly copyLimits: CopyLimits;
}

/** Returns a name that no object in the group of an upload has or will have. */
export function newName(): string {
  return randomBytes(6).toString('hex');
}
