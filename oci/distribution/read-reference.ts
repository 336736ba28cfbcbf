import { ReferenceInvalidError } from '../errors.ts';
import { type ImageReference, parseImageReference } from '../reference.ts';
import { DistributionError } from './errors.ts';

/** Reads a reference that a user typed. Throws DistributionError 'bad-request', worded as docker words it. */
export function readReference(text: string): ImageReference {
  try {
    return parseImageReference(text);
  } catch (error) {
    if (!(error instanceof ReferenceInvalidError)) throw error;
    throw new DistributionError('bad-request', error.message, { cause: error });
  }
}
