import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureReason } from '../../../../storage/import/failure-reason.ts';

/** As `fetch` fails. */
function failed(code: string, message: string): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) });
}

test('why a connection failed is told so that somebody knows what to do', () => {
  for (const [code, message, reason] of [
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'error:0A00010B:…:\n', /^it does not speak TLS: write http:\/\//],
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1', /^nothing listens there$/],
    ['ENOTFOUND', 'getaddrinfo ENOTFOUND x', /^there is no host with this name$/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate', /^self-signed .*: .* NODE_EXTRA_CA_CERTS=FILE$/],
    ['EPIPE', 'write EPIPE', /^write EPIPE$/],
  ] as const) {
    assert.match(failureReason(failed(code, message)), reason);
  }
  assert.equal(failureReason(new Error('plain')), 'plain');
  assert.equal(failureReason('text'), 'text');
});
