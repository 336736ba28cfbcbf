import type { Digest } from '../../oci/digest.ts';
import { PreconditionFailedError } from '../errors.ts';

/** A condition on the current manifest of a tag or digest, checked in the transaction of the change. */
export interface Precondition {
  /** Requires that it is one of these digests, or exists at all. */
  readonly is?: 'anything' | readonly string[];
  /** Requires that it is none of these digests, or does not exist. */
  readonly isNot?: 'anything' | readonly string[];
}

/**
 * Throws PreconditionFailedError when the condition does not hold for `before`, the current digest. If the change has
 * already been made (`before` is `wanted`), `is` holds: the answer to the first request may have been lost (RFC 9110,
 * section 13.1.1).
 */
export function enforcePrecondition(
  { is, isNot }: Precondition,
  before: string | undefined,
  wanted: Digest | undefined,
): void {
  const isDone = before !== undefined && before === wanted;
  if (is !== undefined && !isDone && !names(is, before)) {
    throw new PreconditionFailedError(
      before === undefined
        ? 'it does not exist, but was expected to'
        : `it is ${before}, which was not expected`,
    );
  }
  if (isNot !== undefined && names(isNot, before)) {
    throw new PreconditionFailedError(`it is ${before} already`);
  }
}

function names(digests: 'anything' | readonly string[], digest: string | undefined): boolean {
  return digest !== undefined && (digests === 'anything' || digests.includes(digest));
}
