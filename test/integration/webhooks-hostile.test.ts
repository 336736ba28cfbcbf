import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { PullSamples } from '../../server/background/pull-recorder.ts';
import { createDeliver, type Deliver } from '../../server/webhooks/deliver.ts';
import { parseWebhook } from '../../server/webhooks/parse-webhook.ts';
import { WebhookDispatcher } from '../../server/webhooks/webhook-dispatcher.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import type { ToldEvent } from '../../storage/catalog/webhook-catalog.ts';
import { loadOf } from '../support/database-load.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { startRegistryWithAccounts } from '../support/registry-with-accounts.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const SECRET = 'sixteen or more characters';
const HOOK = { name: 'hook', events: ['push'], pattern: 'team/*', secret: SECRET } as const;
const LOG = pino({ level: 'silent' });

function pushOf(number: number): ToldEvent {
  const id = String(number);
  return { id, action: 'push', repository: 'team/app', at: new Date(0).toISOString(), tag: id, count: 1 };
}

/** A receiver that answers with these bytes, then does what `then` says. */
async function startRawReceiver(t: TestContext, answer: string, then = (_: Socket) => {}): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answer, () => then(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}

test('a delivery has an outcome, whatever the receiver answers', { timeout: LONGEST_WAIT }, async (t) => {
  const deliver = createDeliver({ allowPrivate: true });
  const outcomeOf = async (answer: string, then?: (socket: Socket) => void) => {
    const url = await startRawReceiver(t, answer, then);
    return deliver({ secret: SECRET, url }, pushOf(1), t.signal);
  };
  const end = (socket: Socket) => socket.end();
  assert.deepEqual(
    await outcomeOf('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    { kind: 'unreachable', failure: 'the receiver answered 101' },
  );
  const headless = ['', 'hello', 'HTTP/1.1 200', 'HTTP/1.1 100 Continue\r\n\r\n', '\0\x16\x03'];
  for (const answer of headless) {
    const outcome = await outcomeOf(answer, end);
    assert.equal(outcome.kind, 'unreachable', JSON.stringify(answer));
  }
  const endless = (socket: Socket) => {
    const chunk = 'a'.repeat(64 * 1024);
    const write = () => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', write);
    write();
  };
  assert.deepEqual(await outcomeOf('HTTP/1.1 200 OK\r\n\r\n', endless), { kind: 'told' });
  assert.equal((await outcomeOf('HTTP/1.1 200 OK\r\nX: ', endless)).kind, 'unreachable');
});

test('a URL that would be shown otherwise than it is called is refused', () => {
  for (const url of [
    'http://ci.example/\0',
    'http://ci.example/\r\nX: y',
    'http://ci\t.example/',
    ' http://ci/',
  ]) {
    assert.throws(() => parseWebhook({ ...HOOK, url }), { code: 'SETTING_INVALID', message: /no spaces/ });
  }
  assert.equal(parseWebhook({ ...HOOK, url: 'http://ci.example/a?b#c' }).url, 'http://ci.example/a?b#c');
});

test('a receiver to which nothing would be sent is refused when it is named', async (t) => {
  const { admin } = await startRegistryWithAccounts(t);
  const headers = { 'Content-Type': 'application/json' };
  for (const url of ['http://127.0.0.1:9/', 'http://10.1.2.3/', 'http://[::1]/', 'http://localhost/']) {
    const body = JSON.stringify({ ...HOOK, url });
    const { status, body: answer } = await admin.send('POST', '/api/v1/webhooks', { headers, body });
    assert.equal(status, 400, url);
    assert.match(String(answer), /is not on the internet: berth serve --webhook-private on/);
  }
  assert.deepEqual(JSON.parse(String((await admin.send('GET', '/api/v1/webhooks')).body)), { webhooks: [] });
});

async function startDispatcher(t: TestContext, deliver: Deliver) {
  const folder = await makeTempDir(t, 'webhooks');
  const knex = await openDatabase({ file: join(folder, 'catalog.sqlite') });
  const catalog = await openCatalog(knex);
  await catalog.webhooks.create({ ...HOOK, url: 'https://receiver.example/' });
  const { webhooks } = catalog;
  const stopping = new AbortController();
  const dispatcher = new WebhookDispatcher({ webhooks, deliver, pulls: new PullSamples(), log: LOG });
  const kept = dispatcher.keep(stopping.signal);
  t.after(async () => {
    stopping.abort();
    await kept;
    await knex.destroy();
  });
  const push = async (first: number, count: number) => {
    for (let from = first; from < first + count; from += 1000) {
      await webhooks.tell(Array.from({ length: 1000 }, (_, index) => pushOf(from + index)));
    }
  };
  const state = async () => {
    const [hook] = await webhooks.list();
    return { waiting: hook?.waiting ?? 0, dropped: hook?.dropped ?? 0 };
  };
  return { webhooks, push, state };
}

test('the queue of a receiver that takes its time stays bounded', async (t) => {
  let deliveries = 0;
  const deliver: Deliver = async (_webhook, _event, signal) => {
    deliveries += 1;
    // As one that answers just before it is given up.
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    return { kind: 'told' };
  };
  const { push, state } = await startDispatcher(t, deliver);
  await push(0, 1000);
  await waitUntil('the first delivery has begun', () => deliveries > 0);
  await push(1000, 15_000);
  const load = await loadOf(t, () =>
    waitUntil('what is too much is dropped', async () => (await state()).waiting <= 10_000),
  );
  assert.deepEqual(await state(), { waiting: 10_000, dropped: 6000 });
  assert.ok(load.mostRowsInATurn <= 1100, `${load.mostRowsInATurn} rows in a turn`);
  assert.equal(deliveries, 1);
});

test('a webhook that is removed gets nothing more of what was read for it', async (t) => {
  const told: string[] = [];
  let release = () => {};
  const deliver: Deliver = async (_webhook, event, signal) => {
    told.push(event.id);
    await new Promise<void>((resolve) => {
      release = resolve;
      signal.addEventListener('abort', () => resolve());
    });
    return { kind: 'told' };
  };
  const { push, webhooks } = await startDispatcher(t, deliver);
  await push(0, 1000);
  await waitUntil('the first delivery has begun', () => told.length > 0);
  const load = await loadOf(t, async () => assert.equal(await webhooks.remove('hook'), true));
  assert.ok(load.mostRowsInATurn <= 1100, `${load.mostRowsInATurn} rows in a turn`);
  const look = t.mock.method(webhooks, 'all');
  const looks = (count: number) => waitUntil('the dispatcher looks', () => look.mock.callCount() >= count);
  await looks(2);
  release();
  await looks(look.mock.callCount() + 2);
  assert.deepEqual(told, ['0']);
});
