import type { S3Client } from '@aws-sdk/client-s3';

/**
 * Has requests not sign the content that they send, which would be hashed once more for it: for connections that
 * protect it themselves (Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)").
 */
export function leavePayloadUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { readonly headers: Record<string, string> };
      headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
      return next(args);
    },
    { step: 'build', name: 'leavePayloadUnsigned' },
  );
}
