import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressBook, chooseAddress } from '../../../../runtime-agent/networks/address-book.ts';
import { choosePool } from '../../../../runtime-agent/networks/plan/address-pools.ts';
import {
  addressBytes,
  addressFromBytes,
  contains,
  formatAddress,
  formatBlock,
  type IpBlock,
  macOf,
  overlaps,
  parseAddress,
  parseBlock,
  parseMac,
} from '../../../../runtime-agent/networks/plan/ip-address.ts';
import { exampleNetwork } from './example-network.ts';

const block = (text: string): IpBlock => {
  const parsed = parseBlock(text);
  assert.ok(parsed, text);
  return parsed;
};

describe('IP addresses', () => {
  for (const text of [
    '0.0.0.0',
    '172.17.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fd00:9::1',
    '1:2:3:4:5:6:7:8',
    'fe80::1:0:0:2',
  ]) {
    test(`${text} is read and written`, () => {
      const address = parseAddress(text);
      assert.ok(address);
      assert.equal(formatAddress(address), text);
      assert.deepEqual(addressFromBytes(addressBytes(address)), address);
    });
  }
  test('::ffff:10.0.0.1 has its last part in bytes', () => {
    assert.equal(
      Buffer.from(addressBytes(parseAddress('::ffff:10.0.0.1') ?? assert.fail())).toString('hex'),
      '00000000000000000000ffff0a000001',
    );
  });
  for (const text of ['', '1.2.3', '1.2.3.256', 'x', 'fe80::1%eth0', '1.2.3.4/8']) {
    test(`"${text}" is none`, () => assert.equal(parseAddress(text), undefined));
  }
  test('blocks', () => {
    assert.equal(formatBlock(block('10.9.3.7/16')), '10.9.0.0/16');
    assert.equal(formatBlock(block('fd00:9::77/64')), 'fd00:9::/64');
    for (const text of ['10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/x', '10.0.0.0/8/8']) {
      assert.equal(parseBlock(text), undefined, text);
    }
    assert.ok(overlaps(block('10.0.0.0/8'), block('10.9.0.0/16')));
    assert.ok(overlaps(block('10.9.0.0/16'), block('10.0.0.0/8')));
    assert.ok(!overlaps(block('10.9.0.0/16'), block('10.10.0.0/16')));
    assert.ok(!contains(block('::/0'), block('10.9.0.0/16')));
  });
});

describe('pools', () => {
  test("are taken in docker's order, past what is there", () => {
    assert.deepEqual(choosePool([]), { subnet: '172.17.0.0/16', gateway: '172.17.0.1' });
    assert.equal(choosePool([block('172.17.5.0/24'), block('172.18.0.0/15')]).subnet, '172.20.0.0/16');
    assert.equal(choosePool([block('172.16.0.0/12')]).subnet, '192.168.0.0/20');
    assert.equal(choosePool([block('172.16.0.0/12'), block('192.168.0.0/24')]).subnet, '192.168.16.0/20');
    assert.throws(() => choosePool([block('172.16.0.0/12'), block('192.168.0.0/16')]), { code: 'not-found' });
  });
});

describe('an address for a container', () => {
  const subnet = { subnet: '10.9.0.0/29', gateway: '10.9.0.1', auxiliary: { router: '10.9.0.3' } };
  test('is the lowest that is free, and neither of the edges, the gateway or an auxiliary one', () => {
    assert.equal(chooseAddress(subnet, new Set()), '10.9.0.2');
    assert.equal(chooseAddress(subnet, new Set(['10.9.0.2'])), '10.9.0.4');
    assert.throws(
      () => chooseAddress(subnet, new Set(['10.9.0.2', '10.9.0.4', '10.9.0.5', '10.9.0.6'])),
      /no available IPv4 addresses/,
    );
  });
  test('is of the range, where there is one', () => {
    assert.equal(chooseAddress({ ...subnet, range: '10.9.0.4/30' }, new Set()), '10.9.0.4');
  });
  test('is the one that is wanted, unless it is taken or elsewhere', () => {
    assert.equal(chooseAddress(subnet, new Set(), '10.9.0.6'), '10.9.0.6');
    for (const taken of ['10.9.0.1', '10.9.0.3', '10.9.0.5']) {
      assert.throws(() => chooseAddress(subnet, new Set(['10.9.0.5']), taken), {
        code: 'forbidden',
        message: 'Address already in use',
      });
    }
    assert.throws(() => chooseAddress(subnet, new Set(), '10.10.0.1'), { code: 'bad-request' });
  });
  test('of IPv6 leaves the bridge its own, and may be the last', () => {
    assert.equal(chooseAddress({ subnet: 'fd00::/126' }, new Set()), 'fd00::2');
    assert.equal(chooseAddress({ subnet: 'fd00::/126' }, new Set(['fd00::2'])), 'fd00::3');
  });
  test('of a block of two may be either', () => {
    assert.equal(chooseAddress({ subnet: '10.9.0.0/31', gateway: '10.9.0.0' }, new Set()), '10.9.0.1');
  });
});

describe('the book of addresses', () => {
  const network = exampleNetwork();
  test('gives one that was given back to others only later, and to its container at once', () => {
    const book = new AddressBook();
    const take = (container: string, wanted?: string) => book.take(network, 4, container, wanted);
    assert.deepEqual(take('a'), { address: '172.18.0.2', stale: [] });
    assert.equal(take('b')?.address, '172.18.0.3');
    book.release(network.id, '172.18.0.2', 'a', 'veth-a');
    assert.equal(take('c')?.address, '172.18.0.4');
    assert.deepEqual(take('a'), { address: '172.18.0.2', stale: ['veth-a'] });
    book.release(network.id, '172.18.0.2', 'a', 'veth-a2');
    assert.deepEqual(take('d', '172.18.0.2'), { address: '172.18.0.2', stale: ['veth-a2'] });
  });
  test('gives it to others at once where no other is left', () => {
    const book = new AddressBook();
    const small = exampleNetwork({ subnets: [{ subnet: '10.9.0.0/30', gateway: '10.9.0.1' }] });
    assert.equal(book.take(small, 4, 'a')?.address, '10.9.0.2');
    assert.throws(() => book.take(small, 4, 'b'), { code: 'runtime' });
    book.release(small.id, '10.9.0.2', 'a', 'veth-a');
    assert.deepEqual(book.take(small, 4, 'b'), { address: '10.9.0.2', stale: ['veth-a'] });
  });
  test('knows those that were taken before, and has none of a family that the network lacks', () => {
    const book = new AddressBook();
    book.adopt(network.id, '172.18.0.2');
    assert.equal(book.take(network, 4, 'a')?.address, '172.18.0.3');
    assert.equal(book.take(network, 6, 'a'), undefined);
  });
});

test('MAC addresses', () => {
  assert.equal(macOf('172.17.0.2'), '02:42:ac:11:00:02');
  assert.equal(parseMac('02-42-AC-11-00-0f'), '02:42:ac:11:00:0f');
  assert.throws(() => parseMac('02:42'), { code: 'bad-request' });
});

test('a clock that is set forward does not end the rest of a released address', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 });
  const book = new AddressBook();
  const network = exampleNetwork();
  const first = book.take(network, 4, 'a')?.address ?? '';
  book.release(network.id, first, 'a', 'veth-a');
  t.mock.timers.setTime(86_400_000);
  assert.notEqual(book.take(network, 4, 'b')?.address, first);
});
