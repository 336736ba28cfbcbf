import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';

export type LayerCompression = 'gzip' | 'zstd';

/** A layer's blob, of which the first bytes have been looked at. */
export interface BlobContent {
  readonly compression: LayerCompression | undefined;
  /** All of it. */
  readonly content: AsyncIterable<Uint8Array>;
}

const MAGIC = { gzip: [0x1f, 0x8b], zstd: [0x28, 0xb5, 0x2f, 0xfd] } as const;

/**
 * Finds out how a layer is compressed: the content decides, and the media type where that says it is compressed. Throws
 * EngineError 'bad-request' when it is not, after `source` was read to its end, so that its own check is made.
 */
export async function readCompression(
  blob: { readonly digest: Digest; readonly mediaType: string },
  source: AsyncIterable<Uint8Array>,
): Promise<BlobContent> {
  const iterator = source[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const content = rest(head, iterator);
  const compression = compressionOf(head);
  const stated = /[.+](gzip|zstd)$/.exec(blob.mediaType)?.[1];
  if (compression !== undefined || stated === undefined) return { compression, content };
  for await (const _ of content);
  throw new EngineError(
    'bad-request',
    `layer ${blob.digest} is broken: it is said to be ${stated} and is not`,
  );
}

async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < MAGIC.zstd.length) {
    const step = await iterator.next();
    if (step.done === true) break;
    head = Buffer.concat([head, step.value]);
  }
  return head;
}

async function* rest(head: Buffer, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const step = await iterator.next();
      if (step.done === true) return;
      yield step.value;
    }
  } finally {
    await iterator.return?.();
  }
}

function compressionOf(head: Buffer): LayerCompression | undefined {
  const begins = (magic: readonly number[]) => magic.every((byte, index) => head[index] === byte);
  return begins(MAGIC.gzip) ? 'gzip' : begins(MAGIC.zstd) ? 'zstd' : undefined;
}
