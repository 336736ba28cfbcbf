import { createSecureContext } from 'node:tls';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { checkBucket } from './check-bucket.ts';
import { getRange } from './get-range.ts';
import { ObjectKeys } from './object-keys.ts';
import { PartMemory } from './part-memory.ts';
import { COPY_LIMITS, type CopyLimits } from './part-store.ts';
import { rawGet } from './range-request.ts';
import { type BulkRead, S3Bucket } from './s3-bucket.ts';
import { clientConfig, leavePayloadUnsigned, sliceBodies } from './s3-client.ts';
import { type ObjectAccess, S3Driver } from './s3-driver.ts';
import type { S3Settings } from './s3-settings.ts';

/**
 * Maximum bytes of all parts that are filled or sent concurrently: with eight uploads a registry stays below 200 MB.
 * Never fewer than three parts.
 */
const PART_MEMORY = 32 * 1024 * 1024;
/** Lifetime of the URL of a download, seconds. */
const DOWNLOAD_TIME = 20 * 60;
/** Milliseconds without a byte in either direction after which a connection counts as broken. */
const SILENCE_TIME = 20_000;
/** Minimum bytes for a dedicated connection; an existing connection delivers smaller ones sooner. */
const LEAST_IN_BULK = 4 * 1024 * 1024;

/**
 * Opens a storage on S3, with the credentials of the environment, the profile or the machine, and tries every operation
 * that it needs. Throws S3SettingsError with a clause that names the problem and the remedy.
 */
export async function openS3Driver(settings: S3Settings): Promise<S3Driver> {
  const connection = connect(settings);
  try {
    await checkBucket(connection.bucket, connection.keys, settings);
  } catch (error) {
    connection.access.disconnect();
    throw error;
  }
  return driverOf(settings, connection, COPY_LIMITS);
}

/**
 * Like openS3Driver, without any request. `silence` is the timeout without a byte, in milliseconds; `copyLimits` may be
 * below those of S3.
 */
export function openUncheckedS3Driver(
  settings: S3Settings,
  silence: number = SILENCE_TIME,
  copyLimits: CopyLimits = COPY_LIMITS,
): S3Driver {
  return driverOf(settings, connect(settings, silence), copyLimits);
}

interface Connection {
  readonly bucket: S3Bucket;
  readonly keys: ObjectKeys;
  readonly access: ObjectAccess;
}

function connect(settings: S3Settings, silence: number = SILENCE_TIME): Connection {
  const { bucket, endpoint, prefix, publicEndpoint } = settings;
  const client = new S3Client(clientConfig(settings, endpoint, silence));
  const isPlain = endpoint?.startsWith('http:') === true;
  // Dedicated connections do not use a proxy.
  const isDirect = settings.proxy === undefined;
  if (!isPlain) {
    leavePayloadUnsigned(client);
    sliceBodies(client);
  }
  const signer =
    publicEndpoint === undefined ? client : new S3Client(clientConfig(settings, publicEndpoint, silence));
  const sign = (by: S3Client, key: string) =>
    getSignedUrl(by, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: DOWNLOAD_TIME });
  const access: ObjectAccess = {
    sign: (key) => sign(signer, key),
    connect: async ({ key, size, range }, signal) =>
      isDirect && isPlain
        ? rawGet({ url: await sign(client, key), size, range }, silence, signal)
        : undefined,
    disconnect: () => {
      client.destroy();
      signer.destroy();
    },
  };
  const secure = isPlain || !isDirect ? undefined : createSecureContext();
  const readInBulk: BulkRead = async ({ key, size, range }, signal) =>
    secure === undefined || range.end - range.start < LEAST_IN_BULK
      ? undefined
      : getRange({ url: await sign(client, key), size, range }, secure, silence, signal);
  return { bucket: new S3Bucket(client, bucket, readInBulk), keys: new ObjectKeys(prefix), access };
}

function driverOf(
  { partSize }: S3Settings,
  { bucket, keys, access }: Connection,
  copyLimits: CopyLimits,
): S3Driver {
  const memory = new PartMemory(partSize, Math.max(3, Math.floor(PART_MEMORY / partSize)));
  return new S3Driver({ bucket, keys, memory, copyLimits }, access);
}
