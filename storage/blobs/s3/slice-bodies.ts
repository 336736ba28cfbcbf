import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';

/** Bytes that are encrypted at once. */
const SLICE = 128 * 1024;

/**
 * Has requests send large content slice by slice, each when the one before is with the system: TLS encrypts what it is
 * given at once, and a part given whole would be there twice until it has left.
 */
export function sliceBodies(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { readonly body?: unknown };
      const { body } = request;
      if (!(body instanceof Uint8Array) || body.byteLength <= SLICE) return next(args);
      // Of this try only: the next one begins with the content again.
      const sliced = Object.assign(Object.create(Object.getPrototypeOf(request)), request, {
        body: Readable.from(slicesOf(body), { objectMode: false, highWaterMark: SLICE }),
      });
      return next({ ...args, request: sliced });
    },
    { step: 'finalizeRequest', priority: 'low', name: 'sliceBodies' },
  );
}

function* slicesOf(body: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < body.byteLength; start += SLICE) yield body.subarray(start, start + SLICE);
}
