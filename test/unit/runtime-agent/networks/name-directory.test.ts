import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DnsMember,
  type DnsPlace,
  NameDirectory,
} from '../../../../runtime-agent/networks/dns/name-directory.ts';

const place = (
  network: string,
  address: string,
  names: readonly string[],
  more: Partial<DnsPlace> = {},
): DnsPlace => ({
  network: { id: `${network}-id`, name: network },
  isNamed: true,
  isReady: true,
  addresses: [address],
  names,
  links: [],
  ...more,
});
const member = (id: string, ...places: readonly DnsPlace[]): DnsMember => ({
  id,
  places,
  servers: [],
  hasWayOut: true,
});

describe('names of containers', () => {
  test('are those of the networks that two are in together', () => {
    const directory = new NameDirectory();
    directory.put(member('a', place('sea', '10.0.0.2', ['Ship', 'crew'])));
    directory.put(
      member('b', place('sea', '10.0.0.3', ['boat', 'crew']), place('lake', '10.1.0.3', ['boat'])),
    );
    directory.put(member('c', place('lake', '10.1.0.4', ['swan'])));
    const seen = (id: string, name: string) => [...(directory.namesFor(id).addressesOf(name) ?? [])].sort();
    assert.deepEqual(seen('b', 'ship'), ['10.0.0.2']);
    assert.deepEqual(seen('b', 'ship.sea'), ['10.0.0.2']);
    assert.deepEqual(seen('a', 'crew'), ['10.0.0.2', '10.0.0.3']);
    assert.deepEqual(seen('a', 'swan'), []);
    assert.deepEqual(seen('c', 'boat'), ['10.1.0.3']);
    assert.deepEqual(seen('nobody', 'boat'), []);
    assert.equal(directory.namesFor('b').nameOf('10.0.0.2'), 'Ship.sea');
    assert.equal(directory.namesFor('c').nameOf('10.0.0.2'), undefined);
  });

  test('go with their container, and change with it', () => {
    const directory = new NameDirectory();
    directory.put(member('a', place('sea', '10.0.0.2', ['ship', 'crew'])));
    directory.put(member('b', place('sea', '10.0.0.3', ['boat', 'crew'])));
    directory.put(member('a', place('sea', '10.0.0.2', ['galley'])));
    const names = directory.namesFor('b');
    assert.deepEqual(
      ['ship', 'galley', 'crew'].map((name) => names.addressesOf(name)),
      [undefined, ['10.0.0.2'], ['10.0.0.3']],
    );
    directory.remove('a');
    assert.equal(names.addressesOf('galley'), undefined);
    assert.equal(names.nameOf('10.0.0.2'), undefined);
    directory.remove('b');
    directory.remove('b');
    assert.equal(names.addressesOf('boat'), undefined);
  });

  test('of links come first, and the network bridge has none', () => {
    const directory = new NameDirectory();
    directory.put(member('a', place('sea', '10.0.0.2', ['ship'])));
    directory.put(member('d', place('sea', '10.0.0.5', ['db'])));
    const links = [{ target: 'ship', alias: 'DB' }];
    directory.put(member('b', place('sea', '10.0.0.3', ['boat'], { links })));
    assert.deepEqual(directory.namesFor('b').addressesOf('db'), ['10.0.0.2']);
    assert.deepEqual(directory.namesFor('a').addressesOf('db'), ['10.0.0.5']);
    directory.put(member('e', place('bridge', '172.17.0.2', ['old'], { isNamed: false })));
    directory.put(member('f', place('bridge', '172.17.0.3', ['older'], { isNamed: false })));
    assert.equal(directory.namesFor('e').addressesOf('older'), undefined);
    assert.equal(directory.namesFor('e').nameOf('172.17.0.3'), undefined);
  });

  test('lead to containers that are ready, if there are any, and to the one that asks', () => {
    const directory = new NameDirectory();
    const put = (id: string, address: string, isReady: boolean) =>
      directory.put(member(id, place('sea', address, [id, 'web'], { isReady })));
    const seen = (id: string, name = 'web') => [...(directory.namesFor(id).addressesOf(name) ?? [])].sort();
    directory.put(member('client', place('sea', '10.0.0.9', ['client'])));
    put('old', '10.0.0.2', false);
    put('new', '10.0.0.3', false);
    assert.deepEqual(seen('client'), ['10.0.0.2', '10.0.0.3']);
    put('old', '10.0.0.2', true);
    assert.deepEqual(seen('client'), ['10.0.0.2']);
    assert.deepEqual(seen('old'), ['10.0.0.2']);
    assert.deepEqual(seen('new'), ['10.0.0.2', '10.0.0.3']);
    assert.deepEqual(seen('client', 'new'), ['10.0.0.3']);
    put('new', '10.0.0.3', true);
    put('old', '10.0.0.2', false);
    assert.deepEqual(seen('client'), ['10.0.0.3']);
    directory.remove('new');
    assert.deepEqual(seen('client'), ['10.0.0.2']);
  });
});
