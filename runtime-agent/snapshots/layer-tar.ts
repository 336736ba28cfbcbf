import { type Digest, digestAlgorithm } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';
import { type TarFacts, type TarFindings, TarInspection } from './tar-findings.ts';

/** What a layer's tar was. */
export interface CheckedTar extends TarFacts {
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Hands a stream on to `write`, and checks on the way that it is a tar and that it has the digest; where none is expected,
 * tells which it has (sha256). Throws as judgeTar does, the signal's reason, and what `tar` and `write` fail with.
 */
export async function checkTar(
  expected: Digest | undefined,
  tar: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<CheckedTar> {
  const inspection = new TarInspection(diffIdAlgorithm(expected));
  for await (const chunk of tar) {
    signal.throwIfAborted();
    inspection.push(chunk);
    await write(chunk);
  }
  return judgeTar(expected, inspection.findings());
}

/** The algorithm of a diff ID that is to be made or to be compared. */
export function diffIdAlgorithm(expected: Digest | undefined): ReturnType<typeof digestAlgorithm> {
  return expected === undefined ? 'sha256' : digestAlgorithm(expected);
}

/** Decides whether a layer may be used. Throws EngineError 'bad-request'. */
export function judgeTar(expected: Digest | undefined, { diffId, size, tar }: TarFindings): CheckedTar {
  // The digest is told first: other content than was promised is the graver and the more helpful message.
  if (expected !== undefined && diffId !== expected) {
    throw new EngineError(
      'bad-request',
      `layer ${expected} is damaged: its uncompressed content has the digest ${diffId}`,
    );
  }
  if ('malformed' in tar) throw invalidLayer(expected, tar.malformed);
  return { ...tar, diffId, size };
}

/** The failure of a layer whose content is what was promised, and is no tar that can be used. */
export function invalidLayer(diffId: Digest | undefined, why: string): EngineError {
  const which = diffId === undefined ? 'the new layer' : `layer ${diffId}`;
  return new EngineError('bad-request', `${which} is not a valid tar: ${why}`);
}
