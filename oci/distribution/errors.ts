/** Why a registry, or a request to one, failed. The agent answers `docker` with the status of the same name. */
export type DistributionErrorCode = 'bad-request' | 'not-found' | 'registry' | 'unauthorized';

/** A failure of a registry or of a request to it. Its message is for the user, in dockerd's words where it has some. */
export class DistributionError extends Error {
  readonly code: DistributionErrorCode;
  constructor(code: DistributionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DistributionError';
    this.code = code;
  }
}
