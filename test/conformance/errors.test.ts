import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startConformanceRegistry } from '../support/conformance-registry.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

// distribution-spec, "Error Codes": each code of the table that this registry can give, in the form that MUST be.
const registry = await startConformanceRegistry({ after });
const closed = await startInProcessRegistry({ after }, { auth: 'accounts', adminPassword: 'right-password' });
const { bytes } = await registry.pushImage('conformance/errors', 'latest');
const absent = digestOf('absent');
const upload = '/v2/conformance/errors/blobs/uploads/00000000-0000-4000-8000-000000000000';
const put = { body: '{}', headers: { 'Content-Type': OCI_MANIFEST } };
const missing = JSON.stringify({
  ...JSON.parse(bytes.toString()),
  layers: [{ mediaType: 'application/x', digest: absent, size: 6 }],
});

for (const [code, status, method, path, options] of [
  ['BLOB_UNKNOWN', 404, 'GET', `/v2/conformance/errors/blobs/${absent}`],
  ['BLOB_UPLOAD_UNKNOWN', 404, 'PATCH', upload],
  ['DIGEST_INVALID', 400, 'GET', '/v2/conformance/errors/blobs/sha256:x'],
  ['MANIFEST_BLOB_UNKNOWN', 400, 'PUT', '/v2/conformance/errors/manifests/x', { ...put, body: missing }],
  ['MANIFEST_INVALID', 400, 'PUT', '/v2/conformance/errors/manifests/x', put],
  ['MANIFEST_UNKNOWN', 404, 'GET', '/v2/conformance/errors/manifests/absent'],
  ['NAME_INVALID', 400, 'GET', '/v2/Conformance/tags/list'],
  ['NAME_UNKNOWN', 404, 'GET', '/v2/conformance/none/tags/list'],
  [
    'SIZE_INVALID',
    413,
    'PUT',
    '/v2/conformance/errors/manifests/x',
    { ...put, body: ' '.repeat(4 * 1024 * 1024 + 1) },
  ],
  ['UNSUPPORTED', 405, 'POST', '/v2/conformance/errors/tags/list'],
] as const) {
  test(`Error Codes: ${code} is ${status}, as JSON of a code in upper case and a message`, async () => {
    const entry = expectError(await registry.send(method, path, options), status, code);
    assert.match(entry.code, /^[A-Z_]+$/);
    assert.equal(typeof entry.message, 'string');
  });
}

test('Error Codes: UNAUTHORIZED is 401, with a challenge', async () => {
  const answer = await closed.send('GET', '/v2/conformance/errors/manifests/latest');
  expectError(answer, 401, 'UNAUTHORIZED');
  assert.ok(answer.headers['www-authenticate'] !== undefined);
});

/** The table of the specification, and what its section on legacy codes lets a client meet. */
const CODES = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
  'TAG_INVALID',
];

test('Error Codes: the code of a 4xx MUST be one of the table, whatever was wrong', async () => {
  const base = '/v2/conformance/errors';
  const begun = await registry.begin('conformance/errors');
  for (const [method, path, options] of [
    ['GET', '/nowhere'],
    ['GET', `${base}/tags/list?n=x`],
    ['GET', `${base}/blobs/${absent}`, { headers: { Range: 'bytes=9-' } }],
    [
      'GET',
      `${base}/blobs/${JSON.parse(bytes.toString()).config.digest}`,
      { headers: { Range: 'bytes=99999-' } },
    ],
    ['PATCH', begun, { body: 'x', headers: { 'Content-Range': '5-5' } }],
    ['PATCH', begun, { body: 'x', headers: { 'Content-Range': '0-5' } }],
    ['PUT', begun],
    ['PUT', `${base}/manifests/-bad`, put],
    ['PUT', `${base}/manifests/x`, { ...put, headers: { 'Content-Type': 'text/plain' } }],
    ['PUT', `${base}/manifests/${absent}`, { body: bytes, headers: { 'Content-Type': OCI_MANIFEST } }],
    ['PUT', `${base}/manifests/${absent}?${'tag=x&'.repeat(3)}tag=-`, put],
    ['DELETE', `${base}/manifests/absent`],
    ['GET', `${base}/referrers/x`],
    ['POST', `${base}/blobs/uploads/?digest-algorithm=x`],
    ['GET', '/v1/search?n=0'],
    ['GET', `/v2/${'x'.repeat(20_000)}`],
  ] as const) {
    const answer = await registry.send(method, path, options);
    assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status}`);
    const { errors } = JSON.parse(answer.body.toString());
    assert.equal(errors.length, 1);
    assert.ok(CODES.includes(errors[0].code), `${method} ${path}: ${errors[0].code}`);
    assert.equal(answer.headers['content-type'], 'application/json');
  }
});
