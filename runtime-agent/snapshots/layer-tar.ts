import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { BufferPool, WriteBehind } from '../../storage/blobs/filesystem/write-behind.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../storage/oci/digest.ts';
import { EngineError } from '../errors.ts';
import { TarFormatError, TarScanner, type TarSummary } from './tar-scanner.ts';

/** A layer's tar as it came. */
export interface ReceivedTar extends TarSummary {
  /** Bytes. */
  readonly size: number;
}

/**
 * Writes a stream to `file`, from its start, and checks on the way that it is a tar and that it has the digest.
 * Throws EngineError 'bad-request' (digest or form), 'storage-full', and the signal's reason.
 */
export async function receiveTar(
  diffId: Digest,
  tar: AsyncIterable<Uint8Array>,
  file: FileHandle,
  signal: AbortSignal,
): Promise<ReceivedTar> {
  const hash = createHash(digestAlgorithm(diffId));
  const scanner = new TarScanner();
  const output = new WriteBehind(file, 0, new BufferPool(3));
  let malformed: TarFormatError | undefined;
  try {
    for await (const chunk of tar) {
      signal.throwIfAborted();
      hash.update(chunk);
      // The digest is told first: other content than was promised is the graver and the more helpful message.
      malformed ??= scanQuietly(() => scanner.push(chunk));
      await output.write(chunk);
    }
  } finally {
    await output.finish();
  }
  const size = output.end;
  const actual = hash.digest('hex');
  if (actual !== digestHex(diffId)) {
    throw new EngineError(
      'bad-request',
      `layer ${diffId} is damaged: its uncompressed content has the digest ${digestAlgorithm(diffId)}:${actual}`,
    );
  }
  try {
    if (malformed !== undefined) throw malformed;
    return { ...scanner.finish(), size };
  } catch (error) {
    if (!(error instanceof TarFormatError)) throw error;
    throw invalidLayer(diffId, error.message, error);
  }
}

/** The failure of a layer whose content is what was promised, and is no tar that can be used. */
export function invalidLayer(diffId: Digest, why: string, cause?: unknown): EngineError {
  return new EngineError('bad-request', `layer ${diffId} is not a valid tar: ${why}`, { cause });
}

function scanQuietly(scan: () => void): TarFormatError | undefined {
  try {
    scan();
    return undefined;
  } catch (error) {
    if (error instanceof TarFormatError) return error;
    throw error;
  }
}
