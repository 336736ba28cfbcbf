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
    if (size > limit) throw layerTooLarge(limit);
    yield chunk;
  }
}

/** The failure of a layer with more bytes than it may have. */
export function layerTooLarge(limit: number): EngineError {
  return new EngineError(
    'bad-request',
    `a layer of the image has more than ${limit} bytes uncompressed: start the agent with a larger --layer-limit if it may`,
  );
}
