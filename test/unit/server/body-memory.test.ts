import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listen } from '../../../lib/http/listen.ts';
import { BodyMemory } from '../../../server/body-memory.ts';
import { defer } from '../../support/cleanup.ts';
import { eventually } from '../../support/eventually.ts';
import { connectRaw } from '../../support/raw-connection.ts';

const LARGEST = 1000;

async function start(t: TestContext, budget: number) {
  const bodies = new BodyMemory(budget);
  const answer = async (req: IncomingMessage, res: ServerResponse) => {
    try {
      const signal = new AbortController().signal;
      const length = Number(req.headers['content-length']);
      const bytes =
        req.url === '/whole'
          ? await bodies.readWhole(req, res, length, signal)
          : await bodies.read(req, res, LARGEST);
      res.end(`got ${bytes?.length}`);
    } catch (error) {
      res.end(`refused ${(error as Error & { kind?: string }).kind}`);
    }
  };
  const server: Server = createServer((req, res) => void answer(req, res));
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  defer(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const send = async (path: string, length: number, sent: number) => {
    const connection = await connectRaw(t, port);
    connection.write(`PUT ${path} HTTP/1.1\r\nHost: r\r\nContent-Length: ${length}\r\n\r\n`);
    connection.write('x'.repeat(sent));
    return connection;
  };
  return { bodies, send };
}

for (const path of ['/read', '/whole']) {
  test(`${path}: of bodies that are held back the one that has waited longest gives way`, async (t) => {
    const { bodies, send } = await start(t, 3 * LARGEST);
    const held = [];
    for (let count = 1; count <= 3; count += 1) {
      held.push(await send(path, LARGEST, LARGEST - 1));
      await eventually('it is held', () => (bodies.held >= count * (LARGEST - 1) ? true : undefined));
    }
    const whole = await send(path, LARGEST, LARGEST);
    await whole.waitFor(/got 1000/);
    await held[0]?.waitFor(/refused TOO_MANY_BODIES/);
    assert.ok(bodies.held <= 3 * LARGEST);
    held[2]?.write('x');
    await held[2]?.waitFor(/got 1000/);
    held[1]?.reset();
    await eventually('nothing is held', () => (bodies.held === 0 ? true : undefined));
  });
}

test('a body that is too large holds nothing', async (t) => {
  const { bodies, send } = await start(t, 3 * LARGEST);
  await (await send('/read', LARGEST + 1, LARGEST + 1)).waitFor(/got undefined/);
  assert.equal(bodies.held, 0);
});
