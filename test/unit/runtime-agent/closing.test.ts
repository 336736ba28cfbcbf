import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { closing } from '../../../runtime-agent/closing.ts';

describe('closing', () => {
  const begin = (fail = false) => {
    const log: string[] = [];
    async function* values(): AsyncGenerator<string> {
      try {
        yield 'a';
        if (fail) throw new Error('broken');
        yield 'b';
      } finally {
        log.push('ended');
      }
    }
    const close = async () => {
      log.push('closed');
    };
    return { log, iterator: closing(values(), close) };
  };

  test('after the last value, and once', async () => {
    const { log, iterator } = begin();
    const read: string[] = [];
    for await (const value of iterator) read.push(value);
    await iterator.return?.();
    assert.deepEqual(
      [read, log],
      [
        ['a', 'b'],
        ['ended', 'closed'],
      ],
    );
  });

  test('when the values fail, and when their reader leaves', async () => {
    const broken = begin(true);
    await assert.rejects(async () => {
      for await (const _ of broken.iterator);
    }, /broken/);
    assert.deepEqual(broken.log, ['ended', 'closed']);
    const left = begin();
    for await (const _ of left.iterator) break;
    assert.deepEqual(left.log, ['ended', 'closed']);
  });

  test('when the reader leaves before it has read, also as a stream', async () => {
    const { log, iterator } = begin();
    await iterator.return?.();
    assert.deepEqual(log, ['closed']);
    const streamed = begin();
    const stream = Readable.from(streamed.iterator);
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    assert.deepEqual(streamed.log, ['closed']);
  });
});
