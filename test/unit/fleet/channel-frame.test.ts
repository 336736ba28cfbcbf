import assert from 'node:assert/strict';
import { test } from 'node:test';
import { creditOf, decodeFrame, encodeCredit, encodeFrame } from '../../../fleet/channel-frame.ts';

test('a frame has its channel and kind before its payload', () => {
  const frame = encodeFrame(0x01020304, 'stderr', 'ö');
  assert.deepEqual([...frame], [1, 2, 3, 4, 2, 0xc3, 0xb6]);
  assert.deepEqual(decodeFrame(frame), {
    channel: 0x01020304,
    kind: 'stderr',
    payload: Buffer.from('ö'),
  });
});

test('credit is a number of bytes', () => {
  const frame = decodeFrame(encodeCredit(7, 0xffffffff));
  assert.equal(frame && creditOf(frame), 0xffffffff);
  assert.equal(creditOf({ channel: 7, kind: 'credit', payload: Buffer.of(1, 2) }), undefined);
});

test('what is no frame is not decoded', () => {
  assert.equal(decodeFrame(Buffer.of(0, 0, 0, 1)), undefined, 'too short');
  assert.equal(decodeFrame(Buffer.of(0, 0, 0, 1, 10)), undefined, 'an unknown kind');
});
