import { AuthError, type AuthErrorCode, TooManyAttemptsError, TooManyTokensError } from '../auth/errors.ts';
import { AppError } from '../fleet/app-store.ts';
import { ComposeError } from '../fleet/compose/compose-error.ts';
import { HostError } from '../fleet/host-store.ts';
import { HostInputError } from '../fleet/read-host.ts';
import { http } from '../lib/http/node-http.ts';
import { COMMON_HEADERS } from '../lib/http/plain-server.ts';
import { newRequestId, REQUEST_ID_HEADER } from '../lib/http/request-id.ts';
import { OciError, type OciErrorCode } from '../oci/errors.ts';
import {
  BlobInUseError,
  DatabaseUnavailableError,
  StorageError,
  type StorageErrorCode,
  StorageUnavailableError,
  TextRefusedError,
} from '../storage/errors.ts';

/**
 * An entry of the table: the code and status that clients see, and a default message. Most errors have their own
 * message, which replaces `message` except in a 5xx.
 */
interface ErrorEntry {
  /**
   * Codes of the distribution-spec, "Error Codes", whose table covers every 4xx of the distribution API; a 5xx has
   * Docker's. The management API adds its own: EXISTS, UNKNOWN_NAME, VALUE_INVALID, PASSWORD_INVALID.
   */
  readonly code: string;
  readonly status: number;
  readonly message: string;
}

type ServerErrorKind =
  | 'DENIED'
  | 'MALFORMED_REQUEST'
  | 'EXPECTATION_UNKNOWN'
  | 'HEADERS_TOO_LARGE'
  | 'HOST_UNREACHABLE'
  | 'MANIFEST_TOO_LARGE'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'METHOD_UNSUPPORTED'
  | 'PAGINATION_NUMBER_INVALID'
  | 'REQUEST_TIMEOUT'
  | 'ROUTE_UNKNOWN'
  | 'SHUTTING_DOWN'
  | 'DATABASE_UNAVAILABLE'
  | 'STORAGE_UNAVAILABLE'
  | 'TAGS_TOO_MANY'
  | 'TEXT_REFUSED'
  | 'TOO_MANY_BODIES'
  | 'TOO_MANY_CONNECTIONS'
  | 'APP_CHANGED'
  | 'APP_REFUSED'
  | 'TOO_MANY_REQUESTS'
  | 'UNAUTHORIZED'
  | 'UNKNOWN'
  | 'UPGRADE_REQUIRED';

export type ErrorKind = ServerErrorKind | OciErrorCode | StorageErrorCode | AuthErrorCode;

/**
 * All errors of answers. go-containerregistry retries UNKNOWN, BLOB_UPLOAD_INVALID, TOOMANYREQUESTS and UNAVAILABLE, so
 * only temporary errors have those codes.
 */
export const ERRORS: Readonly<Record<ErrorKind, ErrorEntry>> = {
  ACCOUNT_EXISTS: { code: 'EXISTS', status: 409, message: 'the name is taken' },
  APP_CHANGED: { code: 'CHANGED', status: 409, message: 'somebody else changed the app' },
  APP_REFUSED: { code: 'APP_INVALID', status: 422, message: 'the app cannot be deployed' },
  // 405, as the specification requires for a blob that cannot be deleted.
  BLOB_IN_USE: { code: 'UNSUPPORTED', status: 405, message: 'a manifest needs the blob' },
  BLOB_TOO_LARGE: { code: 'SIZE_INVALID', status: 413, message: 'the blob is too large' },
  BLOB_UNKNOWN: { code: 'BLOB_UNKNOWN', status: 404, message: 'the blob is not in this repository' },
  BLOB_UPLOAD_UNKNOWN: { code: 'BLOB_UPLOAD_UNKNOWN', status: 404, message: 'there is no such upload' },
  // A failure of the server: details are in its log.
  CONTENT_DAMAGED: { code: 'UNKNOWN', status: 500, message: 'the stored content is damaged' },
  CREDENTIALS_INVALID: { code: 'UNAUTHORIZED', status: 401, message: 'the credentials are wrong' },
  // Docker's code.
  DATABASE_UNAVAILABLE: {
    code: 'UNAVAILABLE',
    status: 503,
    message: "the registry's database cannot be reached: try again soon",
  },
  DENIED: { code: 'DENIED', status: 403, message: 'you may not do this' },
  DIGEST_INVALID: { code: 'DIGEST_INVALID', status: 400, message: 'the digest is not valid' },
  DIGEST_MISMATCH: { code: 'DIGEST_INVALID', status: 400, message: 'the content has another digest' },
  ENTRY_EXISTS: { code: 'EXISTS', status: 409, message: 'the name is taken' },
  ENTRY_UNKNOWN: { code: 'UNKNOWN_NAME', status: 404, message: 'there is nothing with this name' },
  EXPECTATION_UNKNOWN: { code: 'UNSUPPORTED', status: 417, message: 'only 100-continue can be expected' },
  HEADERS_TOO_LARGE: {
    code: 'UNSUPPORTED',
    status: 431,
    message: 'the headers of the request are too large',
  },
  IMAGE_RUNS: { code: 'DENIED', status: 409, message: 'a release runs the image' },
  HOST_UNREACHABLE: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the host is not connected to this replica of the registry: try again soon',
  },
  LOGIN_REFUSED: { code: 'DENIED', status: 403, message: 'this login is no longer valid: begin it again' },
  MALFORMED_REQUEST: { code: 'UNSUPPORTED', status: 400, message: 'this is not an HTTP request' },
  // 400, as docker's registry answers: clients take a 404 of a push for a missing repository.
  MANIFEST_BLOB_UNKNOWN: {
    code: 'MANIFEST_BLOB_UNKNOWN',
    status: 400,
    message: 'the manifest refers to missing content',
  },
  MANIFEST_INVALID: { code: 'MANIFEST_INVALID', status: 400, message: 'the manifest is not valid' },
  MANIFEST_TOO_LARGE: { code: 'SIZE_INVALID', status: 413, message: 'the manifest is too large' },
  MANIFEST_UNKNOWN: {
    code: 'MANIFEST_UNKNOWN',
    status: 404,
    message: 'the manifest is not in this repository',
  },
  MEDIA_TYPE_UNSUPPORTED: { code: 'UNSUPPORTED', status: 415, message: 'the media type is not supported' },
  METHOD_UNSUPPORTED: { code: 'UNSUPPORTED', status: 405, message: 'this method is not supported here' },
  NAME_INVALID: { code: 'NAME_INVALID', status: 400, message: 'the repository name is not valid' },
  NAME_UNKNOWN: { code: 'NAME_UNKNOWN', status: 404, message: 'there is no such repository' },
  PAGINATION_NUMBER_INVALID: {
    code: 'UNSUPPORTED',
    status: 400,
    message: 'the page size is not valid',
  },
  PASSWORD_REFUSED: { code: 'PASSWORD_INVALID', status: 400, message: 'the password cannot be used' },
  // Docker's code.
  PROVIDER_UNREACHABLE: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the identity provider cannot be reached: try again soon',
  },
  // No code of the specification fits better.
  PRECONDITION_FAILED: {
    code: 'DENIED',
    status: 412,
    message: 'a precondition failed: the tag or manifest has changed',
  },
  QUOTA_EXCEEDED: { code: 'DENIED', status: 403, message: 'the quota is used up' },
  RANGE_INVALID: { code: 'SIZE_INVALID', status: 416, message: 'the range is not valid' },
  REFERENCE_INVALID: { code: 'NAME_INVALID', status: 400, message: 'the reference is not valid' },
  REQUEST_TIMEOUT: { code: 'UNSUPPORTED', status: 408, message: 'the request took too long to arrive' },
  ROUTE_UNKNOWN: { code: 'UNSUPPORTED', status: 404, message: 'there is nothing at this path' },
  SETTING_INVALID: { code: 'VALUE_INVALID', status: 400, message: 'a value is not valid' },
  // Docker's code.
  SHUTTING_DOWN: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the registry is shutting down: try again soon',
  },
  // Docker's code. The client may retry when there is space.
  STORAGE_FULL: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the registry has no space left: try again later',
  },
  // Docker's code. The storage is another server.
  STORAGE_UNAVAILABLE: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the storage of the registry does not answer: try again soon',
  },
  // A code of the specification ("Legacy Docker support error codes").
  TAG_INVALID: { code: 'TAG_INVALID', status: 400, message: 'the tag is not valid' },
  TAG_NOT_RESTORABLE: { code: 'CONFLICT', status: 409, message: 'the tag cannot be restored' },
  TAG_REFUSED: { code: 'DENIED', status: 403, message: 'a rule keeps the tag as it is' },
  TEXT_REFUSED: {
    code: 'UNSUPPORTED',
    status: 400,
    message: 'a value of the request contains invalid characters, such as NUL',
  },
  TOKEN_INVALID: { code: 'UNAUTHORIZED', status: 401, message: 'the token is not valid' },
  TAGS_TOO_MANY: { code: 'UNSUPPORTED', status: 414, message: 'the request sets too many tags' },
  TOO_MANY_ATTEMPTS: {
    code: 'TOOMANYREQUESTS',
    status: 429,
    message: 'too many logins have failed: try again later',
  },
  // Docker's code.
  TOO_MANY_BODIES: {
    code: 'TOOMANYREQUESTS',
    status: 503,
    message: 'too many requests are in progress: try again soon',
  },
  TOO_MANY_CONNECTIONS: {
    code: 'UNAVAILABLE',
    status: 503,
    message: 'the registry has too many connections: try again soon',
  },
  TOO_MANY_REQUESTS: {
    code: 'TOOMANYREQUESTS',
    status: 429,
    message: 'too many requests: try again later',
  },
  TOO_MANY_TOKENS: {
    code: 'TOOMANYREQUESTS',
    status: 429,
    message: 'too many tokens were requested: try again later',
  },
  UNAUTHORIZED: { code: 'UNAUTHORIZED', status: 401, message: 'log in first' },
  UNKNOWN: { code: 'UNKNOWN', status: 500, message: 'the registry failed: its log says why' },
  UPGRADE_REQUIRED: {
    code: 'UNSUPPORTED',
    status: 426,
    message: 'this is for WebSockets: send Connection: Upgrade and Upgrade: websocket',
  },
  UPLOADS_TOO_MANY: {
    code: 'TOOMANYREQUESTS',
    status: 429,
    message: 'too many uploads are in progress',
  },
  // Another request still writes to the upload: clients retry on this code.
  UPLOAD_BUSY: { code: 'BLOB_UPLOAD_INVALID', status: 409, message: 'another request writes to this upload' },
};

/** A refusal that the registry itself decides. */
export class RegistryError extends Error {
  readonly kind: ErrorKind;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ErrorKind,
    message: string = ERRORS[kind].message,
    options: ErrorOptions & {
      readonly detail?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message, options);
    this.name = 'RegistryError';
    this.kind = kind;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

/** The body of every error. */
export interface ErrorBody {
  readonly errors: readonly [{ code: string; message: string; detail?: unknown }];
}

/** An error in the form in which it is sent. */
export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Returns the answer for an error (distribution-spec, "Error Codes"). Errors of the server itself (5xx) get only the
 * table's message, since their own may reveal paths and similar details, except those about a host. Their detail has
 * `requestId`, by which the log has more.
 */
export function errorAnswer(error: unknown, requestId?: string): ErrorAnswer {
  if (error instanceof TokenRefusal) return tokenRefusal(error);
  const known = asRegistryError(error);
  const { code, status, message } = ERRORS[known.kind];
  const isShown = status < 500 || known.kind === 'HOST_UNREACHABLE';
  const retry = status === 503 ? { 'Retry-After': '10' } : {};
  const told = known.detail ?? (status >= 500 && requestId !== undefined ? { requestId } : undefined);
  const detail = told === undefined ? {} : { detail: told };
  return {
    status,
    body: { errors: [{ code, message: isShown ? known.message : message, ...detail }] },
    headers: { ...retry, ...known.headers },
  };
}

function asRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error;
  if (error instanceof OciError) return new RegistryError(error.code, error.message, { cause: error });
  if (error instanceof StorageError) {
    const detail = 'missing' in error ? { missing: error.missing } : undefined;
    // RFC 9110, section 15.5.6.
    const headers = error instanceof BlobInUseError ? { Allow: 'GET, HEAD' } : {};
    return new RegistryError(error.code, error.message, { cause: error, detail, headers });
  }
  if (error instanceof AuthError) {
    const isTooMuch = error instanceof TooManyAttemptsError || error instanceof TooManyTokensError;
    const wait = isTooMuch ? { 'Retry-After': String(error.retryAfter) } : {};
    return new RegistryError(error.code, error.message, { cause: error, headers: wait });
  }
  if (error instanceof ComposeError) {
    const { message, problems } = error;
    return new RegistryError('APP_REFUSED', message, { cause: error, detail: { problems } });
  }
  if (error instanceof AppError)
    return new RegistryError(APP_KINDS[error.code], error.message, { cause: error });
  if (error instanceof HostError)
    return new RegistryError(HOST_KINDS[error.code], error.message, { cause: error });
  if (error instanceof HostInputError) {
    return new RegistryError('SETTING_INVALID', error.message, { cause: error });
  }
  if (error instanceof StorageUnavailableError || error instanceof DatabaseUnavailableError) {
    return new RegistryError(error.code, error.message, { cause: error });
  }
  if (error instanceof TextRefusedError) return new RegistryError(error.code, undefined, { cause: error });
  return new RegistryError('UNKNOWN', undefined, { cause: error });
}

const APP_KINDS: Readonly<Record<AppError['code'], ErrorKind>> = {
  changed: 'APP_CHANGED',
  'others-changed': 'APP_CHANGED',
  'image-gone': 'APP_CHANGED',
  'in-use': 'APP_CHANGED',
  'too-many': 'SETTING_INVALID',
  unknown: 'ENTRY_UNKNOWN',
};

const HOST_KINDS: Readonly<Record<HostError['code'], ErrorKind>> = {
  unknown: 'ENTRY_UNKNOWN',
  'name-taken': 'ENTRY_EXISTS',
  'token-unknown': 'DENIED',
  'token-used': 'DENIED',
  'token-expired': 'DENIED',
  'too-many-hosts': 'SETTING_INVALID',
  'too-many-tokens': 'SETTING_INVALID',
};

function tokenRefusal({ code, message, headers }: TokenRefusal): ErrorAnswer {
  const wrong = code === 'invalid_grant';
  const body = {
    error: code,
    error_description: message,
    errors: [{ code: wrong ? 'UNAUTHORIZED' : 'UNSUPPORTED', message }],
  } as const;
  return { status: wrong ? 401 : 400, body, headers };
}

/** RFC 6749, section 5.2. */
type TokenRefusalCode = 'invalid_grant' | 'invalid_request' | 'unsupported_grant_type';

/** A refusal by the token server. Some programs read OAuth2's form and others the registry's, so it has both. */
export class TokenRefusal extends Error {
  readonly code: TokenRefusalCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: TokenRefusalCode,
    message: string,
    options: ErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message, options);
    this.name = 'TokenRefusal';
    this.code = code;
    this.headers = options.headers ?? {};
  }
}

const MESSAGES: Readonly<Record<string, string>> = {
  ERR_MISSING_HOST: 'the Host header is missing',
  ERR_REPEATED_HEADER: 'a header that must occur once, such as Host, is repeated',
  ERR_SSL_HTTP_REQUEST: 'this port speaks HTTPS: use https:// in the address',
};

/** Returns the whole answer to a connection or request that is refused before any route. */
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
    `${REQUEST_ID_HEADER}: ${newRequestId()}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    text,
  ].join('\r\n');
}
