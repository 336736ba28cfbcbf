import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { framed, readFrames } from '../../../../runtime-agent/networks/dns/forward-query.ts';
import { QueryBudget, Shares } from '../../../../runtime-agent/networks/dns/limits.ts';
import { serveConnection } from '../../../../runtime-agent/networks/dns/resolver.ts';
import { loadedWith, readImports } from '../../../architecture/imports.ts';

describe('what a container may have of its resolver', () => {
  test('a client that sends queries and reads no answers is not served on', async () => {
    const query = framed(Buffer.alloc(30));
    let sent = 0;
    const client = new Duplex({
      read() {
        sent += 1;
        this.push(Buffer.concat(Array.from({ length: 100 }, () => query)));
      },
      // It never takes what it is sent.
      write: () => undefined,
    });
    client.on('error', () => undefined);
    let answered = 0;
    const served = serveConnection(client, new QueryBudget(1e9, 1e9), async () => {
      answered += 1;
      return Buffer.alloc(500);
    });
    for (let before = -1; before !== answered && answered < 100_000; ) {
      before = answered;
      for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    }
    assert.ok(
      answered > 0 && answered * 500 <= 2 * client.writableHighWaterMark,
      `${answered} answers are held`,
    );
    assert.ok(
      sent * 100 * query.length <= 3 * client.readableHighWaterMark,
      `${sent * 100} queries are held`,
    );
    client.destroy();
    await assert.rejects(served);
  });

  test('a message of a connection that is longer than any query ends it', async () => {
    const long = framed(Buffer.alloc(5000));
    const read = async (chunks: readonly Buffer[]) =>
      await Array.fromAsync(readFrames(asStream(chunks), 4096));
    assert.equal((await read([framed(Buffer.alloc(4096))])).length, 1);
    // Before it has come.
    await assert.rejects(read([long.subarray(0, 2)]), /5000 bytes/);
  });

  test('queries are answered at a steady rate, some more after a pause', () => {
    let now = 0;
    const budget = new QueryBudget(10, 5, () => now);
    const taken = () => Array.from({ length: 20 }, () => budget.take()).filter((wait) => wait === 0).length;
    assert.equal(taken(), 5);
    assert.equal(budget.take(), 100);
    now += 100;
    assert.equal(taken(), 1);
    now += 60_000;
    assert.equal(taken(), 5);
  });

  test('one container cannot have what all share, and each keeps some', () => {
    const shares = new Shares({ own: 5, all: 8, always: 2 });
    const take = (container: string, count: number) =>
      Array.from({ length: count }, () => shares.take(container)).filter(Boolean).length;
    assert.deepEqual([take('a', 10), take('b', 10), take('c', 10)], [5, 3, 2]);
    shares.giveBack('a');
    assert.equal(take('a', 10), 0);
    for (let held = 0; held < 4; held += 1) shares.giveBack('a');
    assert.deepEqual([take('c', 10), take('d', 10)], [3, 2]);
  });
});

test('the thread of the API loads no resolver', () => {
  const loaded = loadedWith(
    'runtime-agent/cli/run-agent.ts',
    readImports(join(import.meta.dirname, '../../../..')),
  );
  assert.ok(loaded.has('runtime-agent/networks/dns/dns-thread.ts'));
  for (const file of ['resolver', 'forward-query', 'answer-query', 'serve-connection']) {
    assert.ok(!loaded.has(`runtime-agent/networks/dns/${file}.ts`), file);
  }
});

async function* asStream(chunks: readonly Buffer[]): AsyncIterable<Buffer> {
  yield* chunks;
}
