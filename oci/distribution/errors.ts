/** Why a registry, or a request to one, failed. The agent answers `docker` with the status of the same name. */
export type DistributionErrorCode = 'bad-request' | 'not-found' | 'registry' | 'unauthorized';

/** Maximum characters of a message. */
const MAX_MESSAGE = 2000;

/** Replaces control characters by spaces, since the words of a registry go to a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be removed
  return text.slice(0, MAX_MESSAGE).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

export interface DistributionErrorOptions extends ErrorOptions {
  readonly status?: number;
}

/** A failure of a registry or of a request to it. Its message is for the user, in dockerd's words where it has some. */
export class DistributionError extends Error {
  readonly code: DistributionErrorCode;
  /** Status of the registry's refusal; undefined if there was no answer, or its content was wrong. */
  readonly status: number | undefined;
  constructor(
    code: DistributionErrorCode,
    message: string,
    { status, cause }: DistributionErrorOptions = {},
  ) {
    super(printable(message), cause === undefined ? undefined : { cause });
    this.name = 'DistributionError';
    this.code = code;
    this.status = status;
  }
}

/** The registry cannot be reached or refuses the login, so requests for other content would fail too. */
export class RegistryUnavailableError extends DistributionError {
  /** Origin of the URL whose connection failed, with `cause`; undefined if the connection was not the reason. */
  readonly unreachable: string | undefined;
  constructor(
    code: DistributionErrorCode,
    message: string,
    { unreachable, ...options }: ErrorOptions & { readonly unreachable?: string } = {},
  ) {
    super(code, message, options);
    this.unreachable = unreachable;
  }
}
