import { DistributionError } from '../oci/distribution/errors.ts';

/** The Docker Engine API's classes of failure; engine-api/ maps each to its status. */
export type EngineErrorCode =
  | 'bad-request'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'not-modified'
  | 'not-implemented'
  | 'unavailable'
  | 'registry'
  | 'runtime'
  | 'storage-full';

/**
 * A failure whose message the user reads after `Error response from daemon: `, so it says what is wrong and
 * what to do. The message is written where the error is thrown.
 */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

/** Makes the error for a missing container; `ref` is the client's name for it. */
export function noSuchContainer(ref: string): EngineError {
  return new EngineError('not-found', `No such container: ${ref.slice(0, 300)}`);
}

/**
 * Reports whether an error has a message for the user and one of the codes above: an EngineError, or an error of a
 * registry.
 */
export function isEngineError(error: unknown): error is EngineError | DistributionError {
  return error instanceof EngineError || error instanceof DistributionError;
}
