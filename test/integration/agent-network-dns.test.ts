import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import { loadLibc } from '../../lib/linux/libc.ts';
import { listenOn } from '../../lib/linux/network/listen-in-namespace.ts';
import { DnsThread } from '../../runtime-agent/networks/dns/dns-thread.ts';
import { framed } from '../../runtime-agent/networks/dns/forward-query.ts';
import { DNS_LIMITS } from '../../runtime-agent/networks/dns/limits.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const QUERY = Buffer.from('12340100000100000000000004736869700000010001', 'hex');

/** Resolvers of containers `ship` and others, which listen on port 53 of 127.0.0.N. */
function startResolvers(scope: CleanupScope, count: number, file?: URL): DnsThread {
  const libc = loadLibc();
  const dns = new DnsThread(pino({ level: 'silent' }), file);
  scope.after(() => dns.close());
  for (let index = 1; index <= count; index += 1) {
    const id = `c${index}`;
    dns.know(memberOf(id, index === 1 ? 'ship' : id, `172.18.0.${index}`));
    const address = [127, 0, 0, index];
    dns.open(id, { udp: listenOn(libc, 'udp', address, 53), tcp: listenOn(libc, 'tcp', address, 53) });
  }
  return dns;
}

function memberOf(id: string, name: string, address: string): Parameters<DnsThread['know']>[0] {
  const network = { id: 'sea-id', name: 'sea' };
  const place = { network, isNamed: true, isReady: true, addresses: [address], names: [name], links: [] };
  return { id, places: [place], servers: [], hasWayOut: false };
}

/** The last bytes of an answer: the address of `ship`. */
const ANSWER = [172, 18, 0, 1];

/** Asks for `ship` from another process, while this one stands still; empty where no answer comes. */
function askStandingStill(server: string, timeout = 60_000): readonly number[] {
  const script = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.on('message', (answer) => { process.stdout.write(answer); socket.close(); });
    socket.send(Buffer.from('${QUERY.toString('hex')}', 'hex'), 53, '${server}');
`;
  const { stdout } = spawnSync(process.execPath, ['-e', script], { timeout });
  return [...stdout.subarray(-4)];
}

describe('the resolvers of containers', { skip: unlessRoot(), timeout: 900_000 }, () => {
  test('answer while the thread of the API is held up', async (t) => {
    startResolvers(t, 2);
    assert.deepEqual(askStandingStill('127.0.0.2'), ANSWER);
  });

  test('answer one container while another has all the connections it may have, full of queries', async (t) => {
    startResolvers(t, 2);
    const flood = Buffer.concat(Array.from({ length: 20_000 }, () => framed(QUERY)));
    const open = async () => {
      const socket = connect(53, '127.0.0.1').on('error', () => undefined);
      t.after(() => void socket.destroy());
      await once(socket, 'connect');
      return socket;
    };
    for (let count = 0; count < DNS_LIMITS.connections.own; count += 1) {
      // Its answers are not read.
      (await open()).pause().write(flood);
    }
    const refused = (await open()).resume();
    refused.write(framed(QUERY));
    await new Promise((resolve) => refused.once('close', resolve));
    assert.equal(refused.bytesRead, 0);
    assert.deepEqual(askStandingStill('127.0.0.2'), ANSWER);
  });

  test('are back after their thread has failed', async (t) => {
    const dns = startResolvers(t, 2, new URL('../support/failing-dns-worker.ts', import.meta.url));
    assert.deepEqual(askStandingStill('127.0.0.2'), ANSWER);
    dns.know(memberOf('fail', 'fail', '172.18.0.9'));
    dns.forget('fail');
    await eventually('it answers again', () =>
      isDeepStrictEqual(askStandingStill('127.0.0.2', 1_000), ANSWER) ? true : undefined,
    );
    dns.forget('c1');
    assert.notDeepEqual(askStandingStill('127.0.0.2'), ANSWER);
  });
});
