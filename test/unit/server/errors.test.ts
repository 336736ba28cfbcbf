import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CredentialsInvalidError } from '../../../auth/errors.ts';
import { errorAnswer, RegistryError } from '../../../server/errors.ts';
import { ManifestBlobUnknownError, StorageFullError, TagInvalidError } from '../../../storage/errors.ts';

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
