import type { Digest } from '../../oci/digest.ts';
import { PreconditionFailedError } from '../errors.ts';

/** What a tag points at, or a manifest is, before a change; looked at in the transaction of the change. */
export interface Precondition {
  /** One of these digests, or anything that is there. */
  readonly is?: 'anything' | readonly string[];
  /** None of these digests, or nothing at all. */
  readonly isNot?: 'anything' | readonly string[];
}

/**
 * Throws PreconditionFailedError when it does not hold for `before`, what is there. What has been done already
 * (`wanted` is there) is no failure of `is`: the answer to whoever did it may have been lost (RFC 9110, section 13.1.1).
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
        ? 'it is not there, where it was expected to be'
        : `it is ${before}, and not what was expected`,
    );
  }
  if (isNot !== undefined && names(isNot, before)) {
    throw new PreconditionFailedError(`it is ${before} already`);
  }
}

function names(digests: 'anything' | readonly string[], digest: string | undefined): boolean {
  return digest !== undefined && (digests === 'anything' || digests.includes(digest));
}
