import { S3ServiceException } from '@aws-sdk/client-s3';
import { StorageFullError, StorageUnavailableError } from '../../errors.ts';

/** The object or multipart upload of a request does not exist. */
export class NotThereError extends Error {
  override readonly name = 'NotThereError';
}

/**
 * Ceph answers NoSuchKey where other servers answer NoSuchUpload. InvalidPart means that the part is not the stored
 * one.
 */
const NOT_THERE = ['NoSuchKey', 'NoSuchUpload', 'NotFound', 'InvalidPart'];
const FULL = ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientCapacity', 'EntityTooLarge'];

/** Translates the error of a request into one of the storage; `operation` is its name in S3. */
export function translated(error: unknown, operation: string, bucket: string): Error {
  const { name, message } = error as Error;
  const status = statusOf(error);
  if (name !== 'NoSuchBucket' && (NOT_THERE.includes(name) || (status === 404 && name === 'UnknownError'))) {
    return new NotThereError(`${operation}: ${name}`, { cause: error });
  }
  if (FULL.includes(name) || status === 507) {
    return new StorageFullError(`the bucket ${bucket} is full: ${message}`, { cause: error });
  }
  return new StorageUnavailableError(
    `${operation} in the bucket ${bucket} failed: ${name}${status === undefined ? '' : ` (${status})`}: ${message}`,
    { cause: error },
  );
}

/** Returns the HTTP status of an answer; undefined without an answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
