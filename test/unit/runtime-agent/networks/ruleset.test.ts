import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  droppingChains,
  elementCommand,
  filterElements,
  ruleset,
} from '../../../../runtime-agent/networks/plan/ruleset.ts';
import { exampleNetwork } from './example-network.ts';

const everywhere = {
  protocol: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  containerPort: 80,
  address: '172.18.0.2',
} as const;
const chosen = { ...everywhere, protocol: 'udp', hostIp: '::1', address: 'fd00::2' } as const;

describe('the table of the packet filter', () => {
  test('is replaced as a whole, and touches no other', () => {
    const lines = ruleset('berth_x', filterElements([exampleNetwork()], [everywhere]))
      .trim()
      .split('\n');
    assert.deepEqual(lines.slice(0, 3), [
      'add table inet berth_x',
      'delete table inet berth_x',
      'add table inet berth_x',
    ]);
    for (const line of lines)
      assert.match(line, /^(add|delete) (table|set|map|chain|rule|element) inet berth_x\b/);
    assert.ok(lines.includes('add element inet berth_x ports4 { tcp . 8080 : 172.18.0.2 . 80 }'));
  });
  test('has one element for each port, which is added and deleted alone', () => {
    const commands = (action: 'add' | 'delete') =>
      filterElements([], [everywhere, chosen]).map((element) => elementCommand(action, 't', element));
    assert.deepEqual(commands('add'), [
      'add element inet t ports4 { tcp . 8080 : 172.18.0.2 . 80 }',
      'add element inet t chosen6 { ::1 . udp . 8080 : fd00::2 . 80 }',
    ]);
    assert.equal(commands('delete')[1], 'delete element inet t chosen6 { ::1 . udp . 8080 }');
  });
  test('knows what a network may', () => {
    const sets = (changes: Parameters<typeof exampleNetwork>[0]) =>
      filterElements([exampleNetwork(changes)], []).map(({ set }) => set);
    assert.deepEqual(sets({}), ['bridges', 'same', 'subnets4', 'masquerade4']);
    assert.deepEqual(sets({ internal: true }), ['bridges', 'internal', 'same', 'subnets4']);
    assert.deepEqual(
      sets({
        options: {
          'com.docker.network.bridge.enable_icc': 'false',
          'com.docker.network.bridge.enable_ip_masquerade': 'false',
        },
      }),
      ['bridges', 'subnets4'],
    );
    assert.deepEqual(sets({ driver: 'host' }), []);
  });
});

test('chains of others that drop what is forwarded are found', () => {
  const listing = [
    'table ip filter {',
    '\tchain FORWARD {',
    '\t\ttype filter hook forward priority filter; policy drop;',
    '\t}',
    '\tchain INPUT {',
    '\t\ttype filter hook input priority filter; policy drop;',
    '\t}',
    '}',
    'table bridge b {',
    '\tchain f {',
    '\t\ttype filter hook forward priority 0; policy drop;',
    '\t}',
    '}',
    'table inet berth_x {',
    '\tchain forward {',
    '\t\ttype filter hook forward priority filter; policy accept;',
    '\t}',
    '}',
  ].join('\n');
  assert.deepEqual(droppingChains(listing), ['ip filter FORWARD']);
});
