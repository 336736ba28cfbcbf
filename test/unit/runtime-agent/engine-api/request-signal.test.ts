import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { requestSignal } from '../../../../runtime-agent/engine-api/http/connection-end.ts';

const running = new AbortController().signal;

/** The answer to a request whose client has not left, and a way to make it leave. */
async function openRequest(t: TestContext): Promise<{ response: ServerResponse; leave: () => void }> {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const sent = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false });
  sent.on('error', () => undefined);
  sent.end();
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  return { response, leave: () => sent.destroy() };
}

test('a client that leaves aborts', async (t) => {
  const { response, leave } = await openRequest(t);
  const signal = requestSignal(response, running);
  assert.equal(signal.aborted, false);
  leave();
  await once(signal, 'abort');
});

test('a client that had left before anybody asked has aborted', async (t) => {
  const { response, leave } = await openRequest(t);
  leave();
  await once(response, 'close');
  assert.equal(requestSignal(response, running).aborted, true);
});
