import { ProxyError } from '../../lib/http/proxies/proxy-error.ts';
import { ReferenceInvalidError } from '../errors.ts';
import { type ImageReference, parseImageReference } from '../reference.ts';

/** Why a registry, or a request to one, failed. The agent answers docker with the status of the same name. */
export type DistributionErrorCode = 'bad-request' | 'not-found' | 'registry' | 'unauthorized';

/** Maximum characters of a message. */
const MAX_MESSAGE = 2000;

/** Replaces control characters by spaces, since text from a registry goes to a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be removed
  return text.slice(0, MAX_MESSAGE).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

export interface DistributionErrorOptions extends ErrorOptions {
  readonly status?: number;
}

/**
 * A failure of a registry or of a request to it. The message is for the user, in dockerd's words where dockerd has a
 * message.
 */
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

/** An error as registries word it (distribution-spec, "Error Codes"). */
export interface RegistryErrorDetail {
  /** `MANIFEST_UNKNOWN` …; '' when the body does not follow the protocol. */
  readonly code: string;
  readonly message: string;
}

/** The requested object, for messages. */
export interface RequestSubject {
  readonly method: string;
  readonly url: URL;
  /** `host/name`, as docker shows it. */
  readonly name: string;
  /** `host/name:tag`, as docker shows it; only the name if no manifest was requested. */
  readonly reference: string;
}

/** Returns the first error in the body of a refusal; the text of the status without one. */
export function readErrorBody(status: number, body: string): RegistryErrorDetail {
  try {
    const parsed: unknown = JSON.parse(body);
    const errors = (parsed as { errors?: unknown } | null)?.errors;
    const first = (Array.isArray(errors) ? errors[0] : undefined) as
      | { code?: unknown; message?: unknown }
      | undefined;
    if (typeof first?.code === 'string' && first.code !== '') {
      const message = typeof first.message === 'string' ? first.message : '';
      return { code: first.code.toUpperCase().slice(0, 100), message: message.slice(0, 500) };
    }
    // Token servers answer `{"details": …}` or OAuth 2's `{"error", "error_description"}`.
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { code: '', message: `unexpected status ${status}` };
}

/** Formats a refusal in dockerd's words, which people search for. */
export function refusal(
  status: number,
  detail: RegistryErrorDetail,
  subject: RequestSubject,
): DistributionError {
  const said = wording(detail);
  switch (detail.code) {
    case 'MANIFEST_UNKNOWN':
      return new DistributionError('not-found', `manifest for ${subject.reference} not found: ${said}`, {
        status,
      });
    case 'NAME_UNKNOWN':
      return new DistributionError('not-found', `repository ${subject.name} not found: ${said}`, { status });
    case 'DENIED':
      return new DistributionError(
        'not-found',
        `pull access denied for ${subject.name}, repository does not exist or may require 'docker login': ${said}`,
        { status },
      );
  }
  const where = `${capitalized(subject.method)} "${subject.url.origin}${subject.url.pathname}"`;
  return new DistributionError(refusalCode(status), `${where}: ${said}`, { status });
}

/** Formats the refusal of a push like dockerd: only the registry's own message. */
export function pushRefusal(
  status: number,
  detail: RegistryErrorDetail,
  subject: Pick<RequestSubject, 'method' | 'url'>,
): DistributionError {
  if (detail.code !== '') return new DistributionError(refusalCode(status), wording(detail), { status });
  const where = `${capitalized(subject.method)} "${subject.url.origin}${subject.url.pathname}"`;
  return new DistributionError(refusalCode(status), `${where}: ${detail.message}`, { status });
}

function refusalCode(status: number): DistributionErrorCode {
  if (status === 401 || status === 403) return 'unauthorized';
  return status === 404 ? 'not-found' : 'registry';
}

function wording(detail: RegistryErrorDetail): string {
  const code = detail.code.toLowerCase().replaceAll('_', ' ');
  if (code === '') return detail.message;
  return `${code}: ${detail.message === '' ? code : detail.message}`;
}

/** Formats the failure of a connection like dockerd. */
export function connectionFailure(
  error: unknown,
  subject: Pick<RequestSubject, 'method' | 'url'>,
): RegistryUnavailableError {
  const { method, url } = subject;
  const where = `${capitalized(method)} "${url.origin}${url.pathname}"`;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const said = connectionWording(error, `${url.hostname}:${port}`);
  const hint =
    url.protocol === 'https:' && said.startsWith('http: server gave HTTP response')
      ? ` (start the agent with --insecure-registry ${url.host} if this registry may be used without TLS)`
      : '';
  return new RegistryUnavailableError('registry', `${where}: ${said}${hint}`, {
    unreachable: url.origin,
    cause: error,
  });
}

function connectionWording(error: unknown, address: string): string {
  if (error instanceof ProxyError) {
    const { cause, message } = error;
    return cause === undefined ? message : `proxyconnect tcp: ${connectionWording(cause, error.address)}`;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${address.replace(/:\d+$/, '')}: no such host`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `dial tcp ${address}: ${code === 'ETIMEDOUT' ? 'i/o timeout' : 'connect: no route to host'}`;
    // A server without TLS answered the handshake, such as `HTTP/1.1 400`.
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'http: server gave HTTP response to HTTPS client';
    case 'ECONNRESET':
      return 'EOF';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    default:
      return message;
  }
}

function capitalized(method: string): string {
  return method.charAt(0) + method.slice(1).toLowerCase();
}

/** Parses a reference that a user typed. Throws DistributionError 'bad-request' with docker's message. */
export function readReference(text: string): ImageReference {
  try {
    return parseImageReference(text);
  } catch (error) {
    if (!(error instanceof ReferenceInvalidError)) throw error;
    throw new DistributionError('bad-request', error.message, { cause: error });
  }
}
