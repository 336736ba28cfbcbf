import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { leavePayloadUnsigned } from '../../../../../storage/blobs/s3/s3-client.ts';

test('content is not hashed for the signature, which still covers the rest', async () => {
  const sent: Record<string, string>[] = [];
  const config: S3ClientConfig = {
    region: 'us-east-1',
    endpoint: 'https://s3.example',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: {
      handle: async ({ headers }: { headers: Record<string, string> }) => {
        sent.push(headers);
        throw new Error('not sent');
      },
    },
    maxAttempts: 1,
  };
  for (const unsigned of [false, true]) {
    const client = new S3Client(config);
    if (unsigned) leavePayloadUnsigned(client);
    const put = client.send(
      new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: Buffer.from('content') }),
    );
    await assert.rejects(put, /not sent/);
  }
  const [signed, unsigned] = sent.map((headers) => headers['x-amz-content-sha256'] ?? '');
  assert.match(signed ?? '', /^[0-9a-f]{64}$/);
  assert.equal(unsigned, 'UNSIGNED-PAYLOAD');
  assert.match(sent[1]?.authorization ?? '', /SignedHeaders=[^,]*x-amz-content-sha256/);
});
