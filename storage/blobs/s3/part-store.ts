import { randomBytes } from 'node:crypto';
import type { CopyLimits } from './copy-object.ts';
import type { ObjectKeys } from './object-keys.ts';
import type { PartMemory } from './part-memory.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** What the writing of an upload needs. */
export interface PartStore {
  readonly bucket: S3Bucket;
  readonly keys: ObjectKeys;
  readonly memory: PartMemory;
  readonly copyLimits: CopyLimits;
}

/** A name that nothing in the group of an upload has or will have. */
export function newName(): string {
  return randomBytes(6).toString('hex');
}
