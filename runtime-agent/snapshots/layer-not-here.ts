import type { Digest } from '../../oci/digest.ts';
import { EngineError } from '../errors.ts';

export function layerNotHere(diffId: Digest): EngineError {
  return new EngineError('not-found', `layer ${diffId} is not on this host: pull the image again`);
}

/** The layer can be run, and its tar was not kept by the agent that put it here. */
export function tarNotKept(diffId: Digest): EngineError {
  return new EngineError(
    'not-found',
    `the tar of layer ${diffId} was not kept by the agent that put it here: remove the image and pull it again`,
  );
}
