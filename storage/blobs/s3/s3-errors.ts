import { S3ServiceException } from '@aws-sdk/client-s3';
import { StorageFullError, StorageUnavailableError } from '../../errors.ts';

/** What a request was about is not there: an object, or a multipart upload. */
export class NotThereError extends Error {
  override readonly name = 'NotThereError';
}

/** Ceph answers NoSuchKey where others say NoSuchUpload. A part is invalid when it is not the one that was stored. */
const NOT_THERE = ['NoSuchKey', 'NoSuchUpload', 'NotFound', 'InvalidPart'];
const FULL = ['QuotaExceeded', 'XMinioStorageFull', 'InsufficientCapacity', 'EntityTooLarge'];

/** The error of a request as the storage's own; `operation` is S3's name of it. */
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

/** The HTTP status that S3 answered; undefined when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
