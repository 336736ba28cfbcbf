import { http } from '../lib/http/node-http.ts';
import { errorAnswer, RegistryError } from './errors.ts';
import { COMMON_HEADERS } from './http/answer.ts';

const MESSAGES: Readonly<Record<string, string>> = {
  ERR_MISSING_HOST: 'the Host header is missing',
  ERR_REPEATED_HEADER: 'a header that a request has once, such as Host, is there twice',
  ERR_SSL_HTTP_REQUEST: 'this port speaks HTTPS: use https:// in the address',
};

/** The whole answer to a connection or request that is refused before a route could answer it. */
export function malformedAnswer(error: NodeJS.ErrnoException): string {
  const kind =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'HEADERS_TOO_LARGE'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'REQUEST_TIMEOUT'
        : error.code === 'ERR_TOO_MANY_CONNECTIONS'
          ? 'TOO_MANY_CONNECTIONS'
          : error.code === 'ERR_UNKNOWN_EXPECTATION'
            ? 'EXPECTATION_UNKNOWN'
            : 'MALFORMED_REQUEST';
  const { status, body, headers } = errorAnswer(new RegistryError(kind, MESSAGES[error.code ?? '']));
  const text = JSON.stringify(body);
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    'Content-Type: application/json',
    ...Object.entries(COMMON_HEADERS).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    text,
  ].join('\r\n');
}
