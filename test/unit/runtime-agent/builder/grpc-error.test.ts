import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grpcError } from '../../../../runtime-agent/builder/buildkit/grpc/grpc-error.ts';
import { EngineError } from '../../../../runtime-agent/errors.ts';

test('a long message fits the headers of HTTP/2', () => {
  for (const text of ['x', '€', '😀']) {
    const message = text.repeat(400_000);
    for (const error of [new EngineError('bad-request', message), new Error(message)]) {
      const { rawMessage } = grpcError(error);
      assert.ok(Buffer.byteLength(encodeURIComponent(rawMessage)) < 60_000);
      assert.match(rawMessage, /…$/);
    }
  }
  assert.equal(grpcError(new EngineError('bad-request', 'short')).rawMessage, 'short');
});
