import type { DriverUpload } from '../../storage/blobs/blob-driver.ts';
import { RangeInvalidError } from '../../storage/errors.ts';
import { type ContentRange, parseContentRange } from '../http/conditional.ts';
import { announcedLength } from '../http/request-body.ts';
import type { RequestContext } from '../request-context.ts';
import { UploadBody } from './upload-body.ts';
import type { UploadChunk } from './upload-sessions.ts';

/**
 * Returns the body of a PATCH or a PUT as a chunk (distribution-spec, "Pushing a blob in chunks"). With a Content-Range
 * it must begin at the end of the upload and have the stated length; without one it is simply the next chunk. A
 * violation causes RangeInvalidError when the chunk is added.
 */
export function chunkOf(ctx: RequestContext): UploadChunk {
  const body = new UploadBody(ctx);
  const header = ctx.get('Content-Range');
  if (header === '') {
    const length = announcedLength(ctx.req);
    const whole = (signal: AbortSignal) => ctx.state.bodies.readWhole(ctx.req, ctx.res, length ?? 0, signal);
    return { content: body, check: () => undefined, ...(length !== undefined && { length, whole }) };
  }
  const range = parseContentRange(header);
  // The size of the upload is known once the request has its turn to write.
  const turn: { size: number } = { size: 0 };
  // A body with an announced length has that length, or its client has hung up.
  const bounded = range === undefined || ctx.request.length !== undefined;
  return {
    content: bounded ? body : exactly(body, lengthOf(range), turn),
    check: (upload) => {
      turn.size = upload.size;
      checkRange(upload, range, ctx.request.length);
    },
  };
}

function checkRange(
  upload: DriverUpload,
  range: ContentRange | undefined,
  announced: number | undefined,
): void {
  if (range === undefined) {
    throw new RangeInvalidError('the Content-Range is not of the form START-END', upload.size);
  }
  if (range.start !== upload.size) {
    throw new RangeInvalidError(
      `the chunk begins at byte ${range.start}, but the upload continues at byte ${upload.size}`,
      upload.size,
    );
  }
  if (announced !== undefined && announced !== lengthOf(range)) {
    throw new RangeInvalidError(
      `Content-Range announces ${lengthOf(range)} bytes, but Content-Length ${announced}`,
      upload.size,
    );
  }
}

function lengthOf(range: ContentRange): number {
  return range.end - range.start + 1;
}

async function* exactly(
  content: AsyncIterable<Uint8Array>,
  length: number,
  upload: { readonly size: number },
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.byteLength;
    if (size > length) break;
    yield chunk;
  }
  if (size !== length) {
    throw new RangeInvalidError(
      `the chunk is not of the ${length} bytes that Content-Range announces`,
      upload.size,
    );
  }
}
