import { EngineError } from '../errors.ts';

/**
 * Passes a layer's uncompressed bytes on as long as they are no more than `limit`: a few kilobytes of gzip can stand for
 * gigabytes. Throws EngineError 'bad-request'.
 */
export async function* limitedLayer(
  tar: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of tar) {
    size += chunk.length;
    if (size > limit) {
      throw new EngineError(
        'bad-request',
        `a layer of the image has more than ${limit} bytes uncompressed: start the agent with a larger --layer-limit if it may`,
      );
    }
    yield chunk;
  }
}
