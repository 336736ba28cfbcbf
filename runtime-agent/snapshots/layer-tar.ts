import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm } from '../../storage/oci/digest.ts';
import { EngineError } from '../errors.ts';
import { LayerShape } from './layer-shape.ts';
import { type TarEnd, TarFormatError, TarParser } from './tar-parser.ts';

/** What a layer's tar was. */
export interface CheckedTar extends TarEnd {
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
  readonly shape: LayerShape;
}

/**
 * Hands a stream on to `write`, and checks on the way that it is a tar and that it has the digest; where none is expected,
 * tells which it has (sha256). mkfs.erofs takes a
 * damaged header for the end and leaves out what it does not know, so a layer is checked here before it is trusted to
 * that. Throws EngineError 'bad-request', the signal's reason, and what `tar` and `write` fail with.
 */
export async function checkTar(
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<CheckedTar> {
  const algorithm = expected === undefined ? 'sha256' : digestAlgorithm(expected);
  const hash = createHash(algorithm);
  const shape = new LayerShape();
  const parser = new TarParser(shape);
  let size = 0;
  let malformed: TarFormatError | undefined;
  for await (const chunk of tar) {
    signal.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    // The digest is told first: other content than was promised is the graver and the more helpful message.
    malformed ??= formatErrorOf(() => parser.push(chunk));
    await write(chunk);
  }
  const diffId: Digest = `${algorithm}:${hash.digest('hex')}`;
  if (expected !== undefined && diffId !== expected) {
    throw new EngineError(
      'bad-request',
      `layer ${expected} is damaged: its uncompressed content has the digest ${diffId}`,
    );
  }
  try {
    if (malformed !== undefined) throw malformed;
    return { ...parser.finish(), diffId, size, shape };
  } catch (error) {
    if (!(error instanceof TarFormatError)) throw error;
    throw invalidLayer(expected, error.message, error);
  }
}

/** The failure of a layer whose content is what was promised, and is no tar that can be used. */
export function invalidLayer(diffId: Digest | undefined, why: string, cause?: unknown): EngineError {
  const which = diffId === undefined ? 'the new layer' : `layer ${diffId}`;
  return new EngineError('bad-request', `${which} is not a valid tar: ${why}`, { cause });
}

function formatErrorOf(parse: () => void): TarFormatError | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (error instanceof TarFormatError) return error;
    throw error;
  }
}
