import type { IncomingHttpHeaders } from 'node:http';
import type { AnswerHeaders } from './answer.ts';

/** Origins whose pages may call this server (Fetch standard, "CORS protocol"); `*` allows all. */
export type AllowedOrigins = readonly string[];

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** Headers of answers that pages may read, besides the always readable ones. */
const EXPOSED = [
  'Accept-Ranges',
  'Content-Length',
  'Content-Range',
  'Docker-Content-Digest',
  'Docker-Distribution-Api-Version',
  'Docker-Upload-UUID',
  'ETag',
  'Link',
  'Location',
  'OCI-Chunk-Min-Length',
  'OCI-Filters-Applied',
  'OCI-Subject',
  'OCI-Tag',
  'Range',
  'Retry-After',
  'Warning',
  'WWW-Authenticate',
  'X-Request-ID',
].join(', ');
/** Request headers that a page may set. */
const ACCEPTED = [
  'Accept',
  'Authorization',
  'Cache-Control',
  'Content-Range',
  'Content-Type',
  'If-Match',
  'If-None-Match',
  'If-Range',
  'Pragma',
  'Range',
  'X-Request-ID',
  'X-Requested-With',
].join(', ');
const PREFLIGHT_SECONDS = '600';

/**
 * Returns headers of the answer to a request with this Origin. Never allows credentials: pages send their own
 * Authorization header, and cannot use the browser's logins.
 */
export function corsHeaders(origin: string | undefined, allowed: AllowedOrigins): AnswerHeaders {
  const granted = grantedOrigin(origin, allowed);
  return {
    Vary: 'Origin',
    ...(granted !== undefined && {
      'Access-Control-Allow-Origin': granted,
      'Access-Control-Expose-Headers': EXPOSED,
    }),
  };
}

/** Reports whether a request only asks for permission for another one. */
export function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  );
}

/** Returns headers of the answer to a preflight; without a grant when the origin is not allowed. */
export function preflightHeaders(origin: string | undefined, allowed: AllowedOrigins): AnswerHeaders {
  const granted = grantedOrigin(origin, allowed);
  return {
    Vary: 'Origin',
    ...(granted !== undefined && {
      'Access-Control-Allow-Origin': granted,
      'Access-Control-Allow-Methods': METHODS,
      'Access-Control-Allow-Headers': ACCEPTED,
      'Access-Control-Max-Age': PREFLIGHT_SECONDS,
    }),
  };
}

function grantedOrigin(origin: string | undefined, allowed: AllowedOrigins): string | undefined {
  if (origin === undefined) return undefined;
  if (allowed.includes('*')) return '*';
  return allowed.includes(origin) ? origin : undefined;
}
