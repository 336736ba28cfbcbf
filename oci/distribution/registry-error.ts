import { ProxyError } from '../../lib/http/proxies/proxy-error.ts';
import { DistributionError, type DistributionErrorCode, RegistryUnavailableError } from './errors.ts';

/** An error as registries word it (distribution-spec, "Error Codes"). */
export interface RegistryErrorDetail {
  /** `MANIFEST_UNKNOWN` …; '' where the answer was none of the protocol's. */
  readonly code: string;
  readonly message: string;
}

/** What was asked for, for messages. */
export interface RequestSubject {
  readonly method: string;
  readonly url: URL;
  /** `host/name`, as docker shows it. */
  readonly name: string;
  /** `host/name:tag`, as docker shows it; the name alone where no manifest was asked for. */
  readonly reference: string;
}

/** The first error in the body of a refusal; the status's own words where there is none. */
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

/** Words a refusal as dockerd does, since people search for these words. */
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

/** Words the refusal of a push as dockerd does: the registry's own sentence, without more. */
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

/** Words the failure of a connection as dockerd does. */
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
    // Where TLS was begun and something else was answered, such as `HTTP/1.1 400`.
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
