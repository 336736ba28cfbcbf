import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Koa from 'koa';
import { answerJson, jsonList } from '../../../../runtime-agent/engine-api/http/json.ts';

/** Labels that count how often somebody reads all of them. */
function countedLabels(count: number): { readonly labels: object; reads(): number } {
  const values = Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`label-${index}`, '"\u2028']),
  );
  let reads = 0;
  const labels = new Proxy(values, {
    get: (target, name, receiver) => {
      reads += 1;
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
  return { labels, reads: () => reads };
}

async function serve(pieces: () => AsyncIterable<string>): Promise<() => Promise<IncomingMessage>> {
  const app = new Koa({ silent: true } as object);
  app.silent = true;
  app.use((ctx) => answerJson(ctx, pieces()));
  const server = createServer(app.callback()).listen(0, '127.0.0.1');
  after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return async () => {
    const [response] = (await once(get({ port, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
    return response;
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

describe('an answer that comes in pieces', () => {
  test('is the list, with a length where it is small', async () => {
    for (const items of [[], [{}], [{ Id: 1, Labels: null }, { Labels: { a: 'b' } }]]) {
      const response = await (await serve(() => jsonList(items)))();
      assert.equal(response.headers['content-type'], 'application/json');
      assert.ok(Number(response.headers['content-length']) > 0);
      assert.deepEqual(JSON.parse(await textOf(response)), items);
    }
  });
  test('reads many labels once for all requests', async () => {
    const all = Array.from({ length: 6 }, () => countedLabels(20_000));
    const ask = await serve(() => jsonList(all.map(({ labels }, Id) => ({ Id, Labels: labels }))));
    const texts = await Promise.all(Array.from({ length: 10 }, async () => textOf(await ask())));
    assert.equal(new Set(texts).size, 1);
    const [first] = JSON.parse(texts[0] ?? '') as readonly { readonly Id: number; readonly Labels: object }[];
    assert.deepEqual([first?.Id, Object.keys(first?.Labels ?? {}).length], [0, 20_000]);
    for (const { reads } of all) assert.ok(reads() <= 20_001, `${reads()} reads of 20000 labels`);
  });
  test('is not made before the client takes it', async () => {
    let made = 0;
    function* items() {
      for (; made < 1000; made += 1) yield { Id: 'x'.repeat(100_000) };
    }
    const response = await (await serve(() => jsonList(items())))();
    // All that the kernel takes for the client has been written when nothing more is made.
    for (let before = -1; before !== made; await sleep(100)) before = made;
    assert.ok(made < 300, `${made} of 1000 items were made`);
    assert.equal((JSON.parse(await textOf(response)) as readonly object[]).length, 1000);
  });
  test('lets the event loop turn', async () => {
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const drained: string[] = [];
    const ctx = { set: () => undefined } as unknown as Koa.Context & { body: AsyncIterable<string> };
    await answerJson(ctx, jsonList(Array.from({ length: 100 }, () => ({ Id: 'x'.repeat(100_000) }))));
    for await (const piece of ctx.body) drained.push(piece);
    isOver = true;
    assert.ok(turns >= 30, `${turns} turns in 10 million characters`);
    assert.equal(drained.join('').length, 100 * 100_009 + 99 + 2);
  });
  test('that fails has a status while it is small, and is cut off later', async () => {
    async function* failing(before: number): AsyncGenerator<object> {
      yield { Id: 'x'.repeat(before) };
      throw new Error('gone');
    }
    const small = await (await serve(() => jsonList(failing(10))))();
    assert.equal(small.statusCode, 500);
    const large = await (await serve(() => jsonList(failing(200_000))))();
    assert.equal(large.statusCode, 200);
    await assert.rejects(textOf(large));
  });
});
