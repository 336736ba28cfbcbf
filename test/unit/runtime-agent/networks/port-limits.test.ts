import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MAX_PUBLISHED_PORTS } from '../../../../runtime-agent/bounds.ts';
import type { ContainerInfo } from '../../../../runtime-agent/containers/container-info.ts';
import { portList } from '../../../../runtime-agent/engine-api/views/network-settings.ts';
import type { PublishedPort } from '../../../../runtime-agent/networks/network.ts';
import { exposedPorts, planPorts } from '../../../../runtime-agent/networks/plan/port-bindings.ts';
import { PortPublisher } from '../../../../runtime-agent/networks/publish/port-publisher.ts';
import { SocketBudget } from '../../../../runtime-agent/networks/publish/relay.ts';
import { enterOwnNetwork } from '../../../support/own-network.ts';

enterOwnNetwork();

const bindingsOf = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`${index + 1}/tcp`, [{ HostIp: '', HostPort: '' }]]),
  );

describe('what a container publishes', () => {
  test('is a range of media servers, and no more than the maximum', () => {
    const plan = (count: number) =>
      planPorts({ bindings: bindingsOf(count), publishAll: false, exposed: [] });
    assert.equal(plan(10_001).length, 10_001);
    assert.throws(() => plan(MAX_PUBLISHED_PORTS + 1), {
      code: 'bad-request',
      message: /^the container publishes 10241 ports: the maximum is 10240; use --network host for more$/,
    });
  });
  test('is counted with several bindings of one port, and with exposed ports', () => {
    const many = Array.from({ length: MAX_PUBLISHED_PORTS + 1 }, () => ({ HostIp: '', HostPort: '' }));
    const options = { bindings: {}, publishAll: false, exposed: [] };
    assert.throws(() => planPorts({ ...options, bindings: { '80/tcp': many } }), /the maximum is/);
    assert.throws(() => planPorts({ ...options, publishAll: true, exposed: ['1-65535'] }), /the maximum is/);
  });
  test('exposed ranges that overlap are one range', () => {
    const overlapping = Array.from({ length: 200 }, (_, index) => `${index + 1}-65535/tcp`);
    assert.equal(exposedPorts(overlapping).length, 65_535);
    assert.equal(exposedPorts([...overlapping, '53/udp', '53-54/udp']).length, 65_537);
  });
});

test('published and exposed ports are listed in linear time', () => {
  let reads = 0;
  const ports = Array.from({ length: 1000 }, (_, index) => ({
    protocol: 'tcp',
    hostIp: '0.0.0.0',
    hostPort: index + 1,
    get containerPort() {
      reads += 1;
      return index + 1;
    },
  })) satisfies readonly PublishedPort[] as readonly PublishedPort[];
  const container = {
    config: { ExposedPorts: { '1-2000/tcp': {} } },
    activeNetwork: { endpoints: [{ gateway4: '172.17.0.1', gateway6: '' }], ports },
  } as unknown as ContainerInfo;
  assert.equal(portList(container).length, 2000);
  assert.ok(reads <= 5000, `${reads} reads of 1000 ports`);
});

describe('sockets of published ports', () => {
  const loopback = (containerPort: number) => ({
    protocol: 'tcp' as const,
    containerPort,
    hostIps: ['127.0.0.1'],
    hostPorts: undefined,
  });
  test('are refused with a sentence when all are taken, and given back', async () => {
    const listeners = new SocketBudget(3);
    const publisher = new PortPublisher(listeners, new SocketBudget(0));
    await publisher.publish('one', [loopback(1)]);
    await assert.rejects(publisher.publish('two', [loopback(1), loopback(2), loopback(3)]), {
      code: 'conflict',
      message: /^all 3 sockets for published ports are in use: publish fewer ports, or raise/,
    });
    assert.equal(listeners.taken, 1);
    await publisher.publish('two', [loopback(1), loopback(2)]);
    await Promise.all([publisher.release('one'), publisher.release('one'), publisher.close()]);
    assert.equal(listeners.taken, 0);
  });
  test('for connections are limited over all ports, and given back', async () => {
    const target = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const connections = new SocketBudget(2);
    const publisher = new PortPublisher(new SocketBudget(2), connections);
    const [port] = await publisher.publish('one', [loopback((target.address() as AddressInfo).port)]);
    publisher.aim('one', '127.0.0.1');
    const ask = async () => {
      const socket = connect({ host: '127.0.0.1', port: port?.hostPort ?? 0, allowHalfOpen: true });
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      await once(socket, 'end');
      return { text, end: () => socket.end() };
    };
    const first = await ask();
    assert.deepEqual([first.text, (await ask()).text, connections.taken], ['hello', '', 2]);
    first.end();
    while (connections.taken > 0) await turn();
    assert.equal((await ask()).text, 'hello');
    await publisher.close();
    target.close();
    while (connections.taken > 0) await turn();
  });
  test('for clients of UDP go to the latest clients', async () => {
    const target = createSocket('udp4');
    target.on('message', (_, from) => target.send('hello', from.port, from.address));
    target.bind(0, '127.0.0.1');
    await once(target, 'listening');
    const connections = new SocketBudget(1);
    const publisher = new PortPublisher(new SocketBudget(1), connections);
    const wish = { ...loopback(target.address().port), protocol: 'udp' as const };
    const [port] = await publisher.publish('one', [wish]);
    publisher.aim('one', '127.0.0.1');
    for (let client = 0; client < 20; client += 1) {
      const socket = createSocket('udp4');
      socket.send('?', port?.hostPort ?? 0, '127.0.0.1');
      const [answer] = await once(socket, 'message');
      assert.deepEqual([String(answer), connections.taken], ['hello', 1]);
      socket.close();
    }
    await publisher.close();
    assert.equal(connections.taken, 0);
    target.close();
  });
});
