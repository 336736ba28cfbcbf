import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { digestOf, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';

// distribution-spec, "Error Codes": each code of the table that this registry can give, in the form that MUST be.
const registry = await startInProcessRegistry({ after });
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
  ['UNSUPPORTED', 405, 'POST', '/v2/conformance/errors/tags/list'],
] as const) {
  test(`Error Codes: ${code} is ${status}, as JSON of a code in upper case and a message`, async () => {
    const entry = expectError(await registry.send(method, path, options), status, code);
    assert.match(entry.code, /^[A-Z_]+$/);
    assert.equal(typeof entry.message, 'string');
  });
}
