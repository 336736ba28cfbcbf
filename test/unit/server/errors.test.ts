import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialsInvalidError } from '../../../auth/errors.ts';
import { TagInvalidError } from '../../../oci/errors.ts';
import { ERRORS, type ErrorKind, errorAnswer, RegistryError } from '../../../server/errors.ts';
import { ManifestBlobUnknownError, StorageFullError } from '../../../storage/errors.ts';

test('errors of storage keep their sentence and tell what is missing', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const { status, body } = errorAnswer(new ManifestBlobUnknownError([digest]));
  assert.equal(status, 400);
  assert.equal(body.errors[0].code, 'MANIFEST_BLOB_UNKNOWN');
  assert.deepEqual(body.errors[0].detail, { missing: [digest] });
  assert.equal(
    errorAnswer(new TagInvalidError('"-" is not a tag')).body.errors[0].message,
    '"-" is not a tag',
  );
});

test('a full disk: the client may try again, and learns no path', () => {
  const { status, body, headers } = errorAnswer(new StorageFullError('ENOSPC: /srv/berth/uploads/x'));
  assert.equal(status, 503);
  assert.equal(headers['Retry-After'], '10');
  assert.equal(JSON.stringify(body).includes('/srv'), false);
});

test('what nobody expected is a 500 that tells nothing', () => {
  for (const error of [new Error('secret'), new TypeError('secret'), 'secret', undefined]) {
    const { status, body } = errorAnswer(error);
    assert.equal(status, 500);
    assert.equal(body.errors[0].code, 'UNKNOWN');
    assert.equal(JSON.stringify(body).includes('secret'), false);
  }
});

test('wrong credentials are 401, and headers of a refusal are kept', () => {
  assert.equal(errorAnswer(new CredentialsInvalidError()).status, 401);
  const headers = { 'WWW-Authenticate': 'Basic realm="berth"' };
  assert.deepEqual(errorAnswer(new RegistryError('UNAUTHORIZED', undefined, { headers })).headers, headers);
});

/** The status that each refusal has, and its code where that is another word. */
const ANSWERS = {
  ACCOUNT_EXISTS: [409, 'EXISTS'],
  BLOB_IN_USE: [405, 'UNSUPPORTED'],
  BLOB_UNKNOWN: [404],
  BLOB_UPLOAD_UNKNOWN: [404],
  CONTENT_DAMAGED: [500, 'UNKNOWN'],
  CREDENTIALS_INVALID: [401, 'UNAUTHORIZED'],
  DATABASE_UNAVAILABLE: [503, 'UNAVAILABLE'],
  DENIED: [403],
  DIGEST_INVALID: [400],
  DIGEST_MISMATCH: [400, 'DIGEST_INVALID'],
  ENTRY_EXISTS: [409, 'EXISTS'],
  ENTRY_UNKNOWN: [404, 'UNKNOWN_NAME'],
  HEADERS_TOO_LARGE: [431, 'UNSUPPORTED'],
  MALFORMED_REQUEST: [400, 'UNSUPPORTED'],
  MANIFEST_BLOB_UNKNOWN: [400],
  MANIFEST_INVALID: [400],
  MANIFEST_TOO_LARGE: [413, 'SIZE_INVALID'],
  MANIFEST_UNKNOWN: [404],
  MEDIA_TYPE_UNSUPPORTED: [415, 'UNSUPPORTED'],
  METHOD_UNSUPPORTED: [405, 'UNSUPPORTED'],
  NAME_INVALID: [400],
  NAME_UNKNOWN: [404],
  PAGINATION_NUMBER_INVALID: [400, 'UNSUPPORTED'],
  PASSWORD_REFUSED: [400, 'PASSWORD_INVALID'],
  LOGIN_REFUSED: [403, 'DENIED'],
  PROVIDER_UNREACHABLE: [503, 'UNAVAILABLE'],
  RANGE_INVALID: [416, 'SIZE_INVALID'],
  REFERENCE_INVALID: [400, 'NAME_INVALID'],
  REQUEST_TIMEOUT: [408, 'UNSUPPORTED'],
  ROUTE_UNKNOWN: [404, 'UNSUPPORTED'],
  SETTING_INVALID: [400, 'VALUE_INVALID'],
  SHUTTING_DOWN: [503, 'UNAVAILABLE'],
  STORAGE_FULL: [503, 'UNAVAILABLE'],
  TAG_INVALID: [400],
  TOKEN_INVALID: [401, 'UNAUTHORIZED'],
  TAGS_TOO_MANY: [414, 'UNSUPPORTED'],
  UNAUTHORIZED: [401],
  UNKNOWN: [500],
  UPLOAD_BUSY: [409, 'BLOB_UPLOAD_INVALID'],
} as const satisfies Partial<Record<ErrorKind, readonly [number, string?]>>;

test('refusals have their statuses and codes', () => {
  for (const [kind, [status, code = kind]] of Object.entries(ANSWERS)) {
    const answer = errorAnswer(new RegistryError(kind as ErrorKind));
    assert.deepEqual([answer.status, answer.body.errors[0].code], [status, code], kind);
    assert.equal(answer.headers['Retry-After'] !== undefined, status === 503, kind);
  }
});

test('codes on which go-containerregistry tries again are of what may pass only', () => {
  for (const [kind, { code, status }] of Object.entries(ERRORS)) {
    if (!['UNKNOWN', 'BLOB_UPLOAD_INVALID', 'TOOMANYREQUESTS', 'UNAVAILABLE'].includes(code)) continue;
    assert.ok(status >= 500 || status === 429 || kind === 'UPLOAD_BUSY', kind);
  }
});
