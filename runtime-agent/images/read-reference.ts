import { ReferenceInvalidError } from '../../storage/errors.ts';
import { type ImageReference, parseImageReference } from '../../storage/oci/image-reference.ts';
import { EngineError } from '../errors.ts';

/** Reads a reference that a user typed. Throws EngineError 'bad-request', worded as docker words it. */
export function readReference(text: string): ImageReference {
  try {
    return parseImageReference(text);
  } catch (error) {
    if (!(error instanceof ReferenceInvalidError)) throw error;
    throw new EngineError('bad-request', error.message, { cause: error });
  }
}
