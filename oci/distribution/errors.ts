/** Why a registry, or a request to one, failed. The agent answers `docker` with the status of the same name. */
export type DistributionErrorCode = 'bad-request' | 'not-found' | 'registry' | 'unauthorized';

/** Most characters of a message. */
const MAX_MESSAGE = 2000;

/** The text without control characters, since a registry's words go to a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be removed
  return text.slice(0, MAX_MESSAGE).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** A failure of a registry or of a request to it. Its message is for the user, in dockerd's words where it has some. */
export class DistributionError extends Error {
  readonly code: DistributionErrorCode;
  constructor(code: DistributionErrorCode, message: string, options?: ErrorOptions) {
    super(printable(message), options);
    this.name = 'DistributionError';
    this.code = code;
  }
}
