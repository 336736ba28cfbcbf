import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Settings } from '../../../storage/blobs/s3/s3-settings.ts';

/** A server of S3 that a test has started. */
export interface S3Server {
  readonly name: string;
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** What a process needs to log in as the owner of all buckets. */
  readonly env: Readonly<Record<string, string>>;
}

/** The credentials of `server` for this process; the libraries of S3 read them from the environment. */
export function useCredentials({ env }: S3Server): void {
  Object.assign(process.env, env);
}

export async function makeBucket({ endpoint }: S3Server, bucket: string): Promise<void> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } finally {
    client.destroy();
  }
}

/** Settings for a fresh storage in a bucket, of its own by `prefix`. */
export function settingsFor(endpoint: string, bucket: string, prefix: string, partSize: number): S3Settings {
  return { bucket, prefix: `${prefix}/`, endpoint, pathStyle: true, partSize };
}

/** The same as `berth serve --storage` takes it. */
export function storageUrl(endpoint: string, bucket: string, prefix: string): string {
  return `s3://${bucket}/${prefix}?endpoint=${endpoint}&pathStyle=true`;
}
