import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogLine, lastLines } from '../../../../server/fleet/log-lines.ts';

async function* written(...lines: readonly string[]): AsyncGenerator<LogLine> {
  for (const line of lines) {
    yield { host: 'web1', service: 'web', instance: 1, release: 1, stream: 'stdout', time: '', line };
  }
}

const textsOf = async (limit: Parameters<typeof lastLines>[1], ...lines: readonly string[]) => {
  const { isCut, lines: last } = await lastLines(written(...lines), limit);
  return [isCut, last.map((one) => ('line' in one ? one.line : one.error))];
};

test('the last lines are as many as were asked for, and say when their text is too long', async () => {
  assert.deepEqual(await textsOf({ count: 2, text: 100 }, 'a', 'b', 'c'), [false, ['b', 'c']]);
  assert.deepEqual(await textsOf({ count: 9, text: 5 }, 'aaa', 'bbb', 'cc'), [true, ['bbb', 'cc']]);
  assert.deepEqual(await textsOf({ count: 9, text: 5 }, 'longer'), [true, []]);
  assert.deepEqual(await textsOf({ count: 9, text: 5 }), [false, []]);
});
