import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { framed, MessageReader } from '../../../../../runtime-agent/build/buildkit/grpc/message-reader.ts';

describe('messages of a gRPC stream', () => {
  test('come out whole, in whatever pieces they came', () => {
    const messages = ['', 'a', 'longer than a prefix', 'x'.repeat(70_000)].map((text) => Buffer.from(text));
    const bytes = Buffer.concat(messages.map(framed));
    for (const size of [1, 2, 5, 6, 7, 1000, bytes.length]) {
      const reader = new MessageReader();
      const read: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        read.push(...reader.push(bytes.subarray(at, at + size)).map(String));
      }
      assert.deepEqual(read, messages.map(String), `in pieces of ${size}`);
    }
  });

  test('compressed and endless ones are refused', () => {
    assert.throws(() => new MessageReader().push(Buffer.from([1, 0, 0, 0, 0])), /compressed/);
    assert.throws(() => new MessageReader().push(Buffer.from([0, 0xff, 0, 0, 0])), /too long/);
  });
});
