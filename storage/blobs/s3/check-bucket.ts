import { randomUUID } from 'node:crypto';
import type { ObjectKeys } from './object-keys.ts';
import { ifThere, type S3Bucket } from './s3-bucket.ts';
import { statusOf } from './s3-errors.ts';
import { type S3Settings, S3SettingsError } from './s3-settings.ts';

/**
 * Tries every operation of the driver on test objects. Throws S3SettingsError, whose message names the failed operation
 * and bucket, and the remedy.
 */
export async function checkBucket(bucket: S3Bucket, keys: ObjectKeys, settings: S3Settings): Promise<void> {
  const key = keys.probe(randomUUID());
  const bytes = Buffer.from('berth checks whether it can store here');
  const step = async <Result>(operation: string, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw new S3SettingsError(explain(operation, error, settings), { cause: error });
    }
  };
  await step('PutObject', () => bucket.put(key, bytes));
  const read = await step('GetObject', async () => {
    const { body } = await bucket.get(key);
    return Buffer.concat(await Array.fromAsync(body));
  });
  const listed = await step('ListObjectsV2', () => Array.fromAsync(bucket.list(key)));
  const multipartId = await step('CreateMultipartUpload', () => bucket.beginParts(`${key}.parts`));
  await step('ListMultipartUploads', () => Array.fromAsync(bucket.listMultiparts(`${key}.parts`)));
  await step('ListParts', () => Array.fromAsync(bucket.listParts(`${key}.parts`, multipartId)));
  await step('AbortMultipartUpload', () => bucket.dropParts(`${key}.parts`, multipartId));
  await step('DeleteObjects', () => bucket.delete([key]));
  const left = await step('HeadObject', () => ifThere(bucket.sizeOf(key)));
  if (!read.equals(bytes) || listed.length !== 1 || left !== undefined) {
    throw new S3SettingsError(
      `the server of the bucket ${bucket.name} does not return, list or delete stored objects: use another server`,
    );
  }
}

function explain(operation: string, error: unknown, { bucket, endpoint, region }: S3Settings): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
  const server = endpoint ?? 'Amazon S3';
  const failed = `${operation} in the bucket ${bucket} on ${server} failed`;
  const status = statusOf(cause);
  switch (cause.name) {
    case 'NoSuchBucket':
      return `${failed}: there is no such bucket: create it, or name another in --storage`;
    case 'AccessDenied':
      return `${failed} with AccessDenied: allow ${operation} on this bucket to the credentials in use`;
    case 'InvalidAccessKeyId':
      return `${failed} with InvalidAccessKeyId: the server does not know the access key: check AWS_ACCESS_KEY_ID or the profile`;
    case 'SignatureDoesNotMatch':
      return `${failed} with SignatureDoesNotMatch: the secret key is wrong: check AWS_SECRET_ACCESS_KEY or the profile`;
    case 'ExpiredToken':
      return `${failed} with ExpiredToken: the credentials have expired: renew them`;
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `${failed} with ${cause.name}: the bucket is not in the region ${region ?? 'in use'}: give its region in --storage`;
    case 'CredentialsProviderError':
      return `${failed}: no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE`;
  }
  if (cause.message.includes('Region is missing')) {
    return `${failed}: no region was given: add region=… to --storage, or set AWS_REGION`;
  }
  if (status === undefined) {
    const { code } = cause as NodeJS.ErrnoException;
    return `${failed}: ${server} cannot be reached (${code ?? cause.message}): check the endpoint in --storage and the network`;
  }
  return `${failed} with ${cause.name} (${status}): ${cause.message}`;
}
