import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { framed, MessageReader } from '../../../../../runtime-agent/builder/buildkit/grpc/message-reader.ts';

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

  test('a message in tiny pieces is not copied for each of them', (t) => {
    const message = framed(Buffer.alloc(1 << 20, 1));
    let copied = 0;
    const { concat } = Buffer;
    const { copy } = Buffer.prototype;
    t.mock.method(Buffer, 'concat', (list: readonly Uint8Array[], length?: number) => {
      copied += list.reduce((sum, { byteLength }) => sum + byteLength, 0);
      return concat(list, length);
    });
    t.mock.method(Buffer.prototype, 'copy', function (this: Buffer, target: Uint8Array, ...at: number[]) {
      copied += this.length;
      return copy.call(this, target, ...at);
    });
    const reader = new MessageReader();
    const read: Buffer[] = [];
    for (let at = 0; at < message.length; at += 64) read.push(...reader.push(message.subarray(at, at + 64)));
    t.mock.restoreAll();
    assert.equal(read[0]?.length, 1 << 20);
    assert.ok(copied < 4 * message.length, `${copied} bytes were copied`);
  });

  test('compressed and endless ones are refused', () => {
    assert.throws(() => new MessageReader().push(Buffer.from([1, 0, 0, 0, 0])), /compressed/);
    assert.throws(() => new MessageReader().push(Buffer.from([0, 0xff, 0, 0, 0])), /too long/);
  });
});
