import { errorAnswer, RegistryError } from './errors.ts';
import { http } from './http/node-http.ts';

/** The whole answer to what Node's parser refuses, before there is a request that a route could answer. */
export function malformedAnswer(error: NodeJS.ErrnoException): string {
  const kind =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'HEADERS_TOO_LARGE'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'REQUEST_TIMEOUT'
        : 'MALFORMED_REQUEST';
  const message =
    error.code === 'ERR_SSL_HTTP_REQUEST' ? 'this port speaks HTTPS: use https:// in the address' : undefined;
  const { status, body } = errorAnswer(new RegistryError(kind, message));
  const text = JSON.stringify(body);
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
    '',
    text,
  ].join('\r\n');
}
