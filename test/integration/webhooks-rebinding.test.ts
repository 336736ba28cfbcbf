import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createDeliver } from '../../server/webhooks/deliver.ts';
import { createRefuseReceiver } from '../../server/webhooks/public-addresses.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork({ ownRun: true });

/** An address of the internet, which the test gives to its own namespace. */
const PUBLIC = '9.9.9.9';
const EVENT = { id: '1', action: 'test', repository: 'a', at: '', count: 1 } as const;

test('a webhook reaches no private address by a name whose addresses change or are mixed', {
  skip: unlessRoot(),
}, async (t) => {
  const names = new Map<string, readonly string[]>();
  await serveNames(t, names);
  await runCommand('ip', ['addr', 'add', `${PUBLIC}/32`, 'dev', 'lo']);
  const inside = await startReceiver(t, '127.0.0.1', 0);
  const outside = await startReceiver(t, PUBLIC, inside.port);
  const refuse = createRefuseReceiver(false);
  const deliverTo = (name: string, proxy?: URL) =>
    createDeliver({ allowPrivate: false, choose: () => proxy })(
      { secret: 's', url: `http://${name}:${inside.port}/` },
      EVENT,
      t.signal,
    );

  names.set('rebinding.example', [PUBLIC]);
  await refuse('http://rebinding.example/');
  assert.deepEqual(await deliverTo('rebinding.example'), { kind: 'told' });
  names.set('rebinding.example', ['127.0.0.1']);
  const rebound = await deliverTo('rebinding.example');
  assert.match(rebound.kind === 'unreachable' ? rebound.failure : rebound.kind, /is not on the internet/);

  names.set('mixed.example', ['127.0.0.1', PUBLIC]);
  assert.deepEqual(await deliverTo('mixed.example'), { kind: 'told' });
  names.set('mixed.example', [PUBLIC, '127.0.0.1']);
  assert.deepEqual(await deliverTo('mixed.example'), { kind: 'told' });
  assert.deepEqual([inside.requests(), outside.requests()], [0, 3]);

  // A proxy looks the name up itself, and may choose any of its addresses.
  const proxied = await deliverTo('mixed.example', new URL(`http://${PUBLIC}:${inside.port}`));
  assert.match(proxied.kind === 'unreachable' ? proxied.failure : proxied.kind, /is not on the internet/);
  assert.deepEqual([inside.requests(), outside.requests()], [0, 3]);
});

async function startReceiver(t: TestContext, address: string, port: number) {
  let count = 0;
  const server = createServer((_, response) => {
    count += 1;
    response.end();
  });
  server.listen(port, address);
  await once(server, 'listening');
  t.after(() => server.close());
  const bound = server.address();
  return { port: typeof bound === 'object' ? (bound?.port ?? 0) : 0, requests: () => count };
}

/** Answers queries for IPv4 addresses as the name server of this namespace (RFC 1035, section 4). */
async function serveNames(t: TestContext, names: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const file = join(await makeTempDir(t, 'names'), 'resolv.conf');
  await writeFile(file, 'nameserver 127.0.0.1\n');
  await runCommand('mount', ['--bind', file, '/etc/resolv.conf']);
  const server = createSocket('udp4');
  server.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5;
    const labels: string[] = [];
    for (let at = 12; query[at]; at += 1 + (query[at] ?? 0)) {
      labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
    }
    const isAddress = query.readUInt16BE(end - 4) === 1;
    const addresses = isAddress ? (names.get(labels.join('.')) ?? []) : [];
    const answers = addresses.map((text) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...text.split('.').map(Number)]),
    );
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, answers.length, 0, 0, 0, 0]);
    server.send(Buffer.concat([head, query.subarray(12, end), ...answers]), port, address);
  });
  server.bind(53, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
}
