import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeliver } from '../../../server/webhooks/deliver.ts';
import { isPublicAddress } from '../../../server/webhooks/public-addresses.ts';
import { startWebhookReceiver } from '../../support/webhook-receiver.ts';

const PUBLIC = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450::1'];
const PRIVATE = [
  ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
  ...['::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1', 'fc00::1', 'fd00:ec2::254'],
  ...['fe80::1', 'ff02::1', '2001:db8::1', '2002:7f00:1::1', '2001::1', 'localhost', ''],
];

test('addresses of the internet are public, and no others', () => {
  for (const address of PUBLIC) assert.equal(isPublicAddress(address), true, address);
  for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
});

test('a webhook reaches no private address, by whatever it is written as', async (t) => {
  const receiver = await startWebhookReceiver(t, 'not looked at');
  const { port } = new URL(receiver.url);
  const event = { id: '1', action: 'test', repository: 'a', at: '', count: 1 } as const;
  const { signal } = new AbortController();
  const hosts = ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]'];
  // Nor by a proxy, here one that passes everything on to the receiver.
  for (const proxy of [undefined, new URL(receiver.url)]) {
    const deliver = createDeliver({ allowPrivate: false, choose: () => proxy });
    for (const host of hosts) {
      const outcome = await deliver({ secret: 's', url: `http://${host}:${port}/` }, event, signal);
      assert.ok(outcome.kind === 'unreachable', host);
      assert.match(outcome.failure, /is not on the internet/, host);
    }
  }
  assert.equal(receiver.received.length, 0);
  const allowed = await createDeliver({ allowPrivate: true })(
    { secret: 's', url: receiver.url },
    event,
    signal,
  );
  assert.deepEqual(allowed, { kind: 'told' });
});
