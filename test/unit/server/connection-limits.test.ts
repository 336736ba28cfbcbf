import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import {
  ConnectionGate,
  type ConnectionLimits,
  connectionLimitsFor,
} from '../../../server/http/connection-limits.ts';

const WIDE: ConnectionLimits = { total: 100, perAddress: 100, beforeLogin: 100 };

function gateOf(limits: Partial<ConnectionLimits>, isProxy = (_address?: string) => false) {
  const gate = new ConnectionGate({ ...WIDE, ...limits }, isProxy);
  const closed: string[] = [];
  let port = 0;
  const connect = (remoteAddress: string) => {
    port += 1;
    const name = `${remoteAddress}#${port}`;
    const socket: Socket = Object.assign(new EventEmitter(), {
      remoteAddress,
      remotePort: port,
      localPort: 5000,
      destroy: () => closed.push(name),
    }) as unknown as Socket;
    return { name, socket, admitted: gate.admit(socket), leave: () => socket.emit('close') };
  };
  return { gate, closed, connect };
}

test('the limits follow the descriptors, and never leave the process without some of its own', () => {
  for (const descriptors of [256, 1024, 4096, 20_000, 1_048_576]) {
    const { total, perAddress, beforeLogin } = connectionLimitsFor(descriptors);
    assert.ok(perAddress < beforeLogin && beforeLogin < total);
    assert.ok(descriptors < 1024 || 3 * total + 256 <= descriptors, `${descriptors}`);
  }
});

test('a new connection takes the place of the one that was idle longest, never that of a request', () => {
  const { gate, closed, connect } = gateOf({ total: 3 });
  const [busy, first, second] = [connect('10.0.0.1'), connect('10.0.0.2'), connect('10.0.0.3')];
  const end = gate.begin(busy.socket);
  assert.ok(connect('10.0.0.4').admitted);
  assert.deepEqual(closed, [first.name]);
  const kept = gate.begin(second.socket);
  assert.ok(connect('10.0.0.5').admitted);
  assert.equal(closed.length, 2);
  kept();
  end();
  assert.ok(connect('10.0.0.6').admitted);
  assert.equal(gate.count, 3);
});

test('when every connection has a request the next one is refused, until one is over', () => {
  const { gate, closed, connect } = gateOf({ total: 2 });
  const busy = [connect('10.0.0.1'), connect('10.0.0.2')];
  for (const { socket } of busy) gate.begin(socket);
  assert.equal(connect('10.0.0.3').admitted, false);
  assert.deepEqual(closed, []);
  busy[0]?.leave();
  assert.ok(connect('10.0.0.3').admitted);
});

test('connections without a login leave room for those with one', () => {
  const { gate, closed, connect } = gateOf({ beforeLogin: 2 });
  const known = [connect('10.0.0.1'), connect('10.0.0.1')];
  for (const { socket } of known) gate.login(socket);
  for (let count = 0; count < 5; count += 1) assert.ok(connect('10.0.0.2').admitted);
  assert.equal(closed.length, 3);
  assert.ok(known.every(({ name }) => !closed.includes(name)));
  assert.equal(gate.count, 4);
});

test('one address, or one /64 of IPv6, has its share; a proxy speaks for many', () => {
  const { gate, closed, connect } = gateOf({ perAddress: 1 }, (address) => address === '10.9.9.9');
  const first = connect('10.0.0.1');
  const second = connect('::ffff:10.0.0.1');
  assert.ok(first.admitted && second.admitted);
  assert.deepEqual(closed, [first.name], 'the next one takes the place of an idle one');
  gate.begin(second.socket);
  assert.equal(connect('10.0.0.1').admitted, false);
  gate.begin(connect('2001:db8:1:2::1').socket);
  assert.equal(connect('2001:DB8:1:2:ffff::7').admitted, false);
  assert.ok(connect('2001:db8:1:3::1').admitted);
  for (let count = 0; count < 5; count += 1) assert.ok(connect('10.9.9.9').admitted);
});

test('what has closed counts no more, however it was logged in', () => {
  const { gate, connect } = gateOf({ total: 2, perAddress: 2, beforeLogin: 1 });
  for (let count = 0; count < 10; count += 1) {
    const { socket, leave, admitted } = connect('10.0.0.1');
    assert.ok(admitted);
    const end = gate.begin(socket);
    if (count % 2 === 0) gate.login(socket);
    leave();
    end();
  }
  assert.equal(gate.count, 0);
});
