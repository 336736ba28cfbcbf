import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ActiveEndpoint } from '../../../../runtime-agent/networks/network.ts';
import { nextInterface, planGateways } from '../../../../runtime-agent/networks/plan/place-container.ts';
import { exposedPorts, planPorts } from '../../../../runtime-agent/networks/plan/port-bindings.ts';
import { publishedTargets } from '../../../../runtime-agent/networks/sandbox.ts';

function endpoint(name: string, changes: Partial<ActiveEndpoint> = {}): ActiveEndpoint {
  return {
    network: { id: name, name },
    endpointId: name,
    link: `veth-${name}`,
    interface: 'eth0',
    mac: '',
    ipv4: '172.18.0.2/16',
    gateway4: '172.18.0.1',
    ipv6: '',
    gateway6: '',
    ...changes,
  };
}

describe('what is published', () => {
  const none = { bindings: {}, publishAll: false, exposed: [] };
  test('on all addresses, on one, on any port and on one of several', () => {
    const bind = (HostIp: string, HostPort: string) => ({
      ...none,
      bindings: { '80/tcp': [{ HostIp, HostPort }] },
    });
    const wish = (HostIp: string, HostPort: string, binding?: string) =>
      planPorts(bind(HostIp, HostPort), binding)[0];
    assert.deepEqual(wish('', '8080'), {
      protocol: 'tcp',
      containerPort: 80,
      hostIps: ['0.0.0.0', '::'],
      hostPorts: { from: 8080, to: 8080 },
    });
    assert.deepEqual(wish('127.0.0.1', '')?.hostIps, ['127.0.0.1']);
    assert.deepEqual(wish('', '', '10.0.0.1')?.hostIps, ['10.0.0.1']);
    assert.equal(wish('', '0')?.hostPorts, undefined);
    assert.deepEqual(wish('', '8000-8010')?.hostPorts, { from: 8000, to: 8010 });
  });
  test('all exposed ports, once', () => {
    const wishes = planPorts({
      bindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
      publishAll: true,
      exposed: ['80/tcp', '53/udp', '90-91'],
    });
    assert.deepEqual(
      wishes.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`),
      ['80/tcp', '53/udp', '90/tcp', '91/tcp'],
    );
  });
  test('exposed ranges are told one by one', () => {
    assert.equal(exposedPorts(['8000-8003/udp', '1/sctp']).length, 4);
  });
  for (const [key, port, code] of [
    ['x/tcp', '', 'bad-request'],
    ['80/tcp', '99999', 'bad-request'],
    ['80/tcp', '9-8', 'bad-request'],
    ['80-81/tcp', '', 'bad-request'],
    ['80/sctp', '', 'not-implemented'],
  ] as const) {
    test(`${key} to "${port}" is refused`, () =>
      assert.throws(() => planPorts({ ...none, bindings: { [key]: [{ HostIp: '', HostPort: port }] } }), {
        code,
      }));
  }
});

describe('a container in several networks', () => {
  const zoo = endpoint('zoo', { ipv4: '10.1.0.2/16', gateway4: '10.1.0.1' });
  const ark = endpoint('ark', { interface: 'eth1', ipv6: 'fd00::2/64', gateway6: 'fd00::1' });
  const inner = endpoint('aaa', { interface: 'eth3', gateway4: '' });
  test('leaves by the first by name that leads out', () => {
    assert.deepEqual(planGateways([zoo, inner, ark]), {
      ipv4: { address: '172.18.0.1', interface: 'eth1' },
      ipv6: { address: 'fd00::1', interface: 'eth1' },
    });
    assert.deepEqual(planGateways([inner]), {});
  });
  test('has its ports where it leaves', () => {
    const port = { protocol: 'tcp', containerPort: 80, hostPort: 8080 } as const;
    const ports = ['0.0.0.0', '::'].map((hostIp) => ({ ...port, hostIp }));
    const { relay, targets } = publishedTargets([zoo, ark], ports);
    assert.equal(relay, '172.18.0.2');
    assert.deepEqual(
      targets.map(({ hostIp, address }) => [hostIp, address]),
      [
        ['0.0.0.0', '172.18.0.2'],
        ['::', 'fd00::2'],
      ],
    );
    assert.deepEqual(publishedTargets([zoo], ports).targets.length, 1);
    assert.deepEqual(publishedTargets([inner], ports), { relay: undefined, targets: [] });
  });
  test('gets the lowest interface that is free', () => {
    assert.equal(nextInterface([zoo, ark, inner]), 'eth2');
  });
});
