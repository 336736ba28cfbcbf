import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBlock } from '../../../../runtime-agent/networks/plan/ip-address.ts';
import { type NetworkRequest, planNetwork } from '../../../../runtime-agent/networks/plan/new-network.ts';
import { exampleNetwork } from './example-network.ts';

const ID = 'b2'.repeat(32);
const existing = [exampleNetwork()];

function plan(changes: Partial<NetworkRequest>, routes: readonly string[] = []) {
  const request: NetworkRequest = {
    name: 'land',
    driver: 'bridge',
    internal: false,
    attachable: false,
    enableIpv6: false,
    ipamOptions: null,
    subnets: [],
    options: {},
    labels: {},
    ...changes,
  };
  return planNetwork(
    ID,
    'now',
    request,
    existing,
    routes.flatMap((text) => parseBlock(text) ?? []),
  );
}

describe('a new network', () => {
  test('gets a free subnet and a bridge named for it', () => {
    const network = plan({}, ['172.17.0.0/16']);
    assert.deepEqual(network.subnets, [{ subnet: '172.19.0.0/16', gateway: '172.19.0.1' }]);
    assert.equal(network.bridge, 'br-b2b2b2b2b2b2');
    assert.equal(network.subnetChosen, false);
  });
  test('has the subnet that was chosen, with a gateway of the range', () => {
    assert.deepEqual(plan({ subnets: [{ subnet: '10.9.0.0/24', range: '10.9.0.128/25' }] }).subnets, [
      { subnet: '10.9.0.0/24', range: '10.9.0.128/25', gateway: '10.9.0.129' },
    ]);
  });
  test('of IPv6 has IPv4 too', () => {
    const { subnets } = plan({ enableIpv6: true, subnets: [{ subnet: 'fd00:9::/64' }] });
    assert.deepEqual(subnets, [
      { subnet: 'fd00:9::/64' },
      { subnet: '172.17.0.0/16', gateway: '172.17.0.1' },
    ]);
  });

  const refused: readonly [Partial<NetworkRequest>, string, string | RegExp][] = [
    [{ name: 'sea' }, 'conflict', 'network with name sea already exists'],
    [{ name: 'bridge' }, 'forbidden', 'operation is not permitted on predefined bridge network'],
    [{ name: ' ' }, 'bad-request', /name is empty/],
    [{ driver: 'host' }, 'forbidden', 'only one instance of "host" network is allowed'],
    [{ driver: 'foo' }, 'not-found', 'plugin "foo" not found'],
    [{ driver: 'macvlan' }, 'not-implemented', /macvlan/],
    [{ enableIpv6: true }, 'not-found', /IPv6 address pool/],
    [
      { subnets: [{ subnet: '172.18.0.0/24' }] },
      'forbidden',
      'Pool overlaps with other one on this address space',
    ],
    [
      { subnets: [{ subnet: '172.19.0.5/16' }] },
      'bad-request',
      'invalid network config:\ninvalid subnet 172.19.0.5/16: it should be 172.19.0.0/16',
    ],
    [
      { subnets: [{ subnet: '10.9.0.0' }] },
      'bad-request',
      'invalid network config:\ninvalid subnet 10.9.0.0: invalid CIDR block notation',
    ],
    [{ subnets: [{ gateway: '10.9.0.1' }] }, 'bad-request', /a subnet is needed/],
    [
      { subnets: [{ subnet: '10.9.0.0/24', gateway: '10.8.0.1' }] },
      'bad-request',
      /invalid gateway 10\.8\.0\.1: parent subnet/,
    ],
    [
      { subnets: [{ subnet: '10.9.0.0/24', gateway: 'x', range: '10.8.0.0/25' }] },
      'bad-request',
      /^invalid network config:\n\* invalid ip-range .*\n\* invalid gateway x/,
    ],
    [{ subnets: [{ subnet: '10.9.0.0/24', range: '10.9.0.0/16' }] }, 'bad-request', /bigger than its parent/],
    [
      { subnets: [{ subnet: '10.9.0.0/24', auxiliary: { a: '10.8.0.1' } }] },
      'bad-request',
      /auxiliary address/,
    ],
    [
      { subnets: [{ subnet: '10.8.0.0/24' }, { subnet: '10.9.0.0/24' }] },
      'not-implemented',
      /more than one subnet/,
    ],
    [{ options: { 'com.docker.network.driver.mtu': 'abc' } }, 'bad-request', /driver\.mtu value: abc/],
    [{ options: { 'com.docker.network.bridge.enable_icc': 'maybe' } }, 'bad-request', /enable_icc/],
    [{ options: { 'com.docker.network.bridge.name': 'x'.repeat(16) } }, 'bad-request', /bridge name/],
    [
      { options: { 'com.docker.network.bridge.name': 'br-a1a1a1a1a1a1' } },
      'forbidden',
      /networks have same bridge name/,
    ],
    [{ options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } }, 'not-implemented', /inhibit_ipv4/],
  ];
  for (const [changes, code, message] of refused) {
    test(`is refused: ${JSON.stringify(changes)}`, () =>
      assert.throws(() => plan(changes), { code, message }));
  }
});
