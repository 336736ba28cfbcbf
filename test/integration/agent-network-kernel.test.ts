import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { NetworkThread } from '../../runtime-agent/networks/kernel/network-thread.ts';
import { PacketFilter } from '../../runtime-agent/networks/packet-filter.ts';
import type { BridgeSpec, EndpointSpec } from '../../runtime-agent/networks/plan/place-container.ts';
import { readHostNetwork } from '../support/host-network.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const BRIDGE: BridgeSpec = {
  name: 'berth-t',
  alias: 'berth:t',
  mac: '02:42:00:00:00:01',
  mtu: 1400,
  addresses: ['10.99.0.1/24', 'fd00:99::1/64'],
  ipv6: true,
  adopt: false,
};

const endpoint = (changes: Partial<EndpointSpec> = {}): EndpointSpec => ({
  link: 'vetht',
  bridge: BRIDGE.name,
  interface: 'eth0',
  mac: '02:42:0a:63:00:02',
  mtu: 1400,
  addresses: ['10.99.0.2/24', 'fd00:99::2/64'],
  ipv6: true,
  isolated: false,
  ...changes,
});

describe('the kernel part of networks', { skip: unlessRoot(), timeout: 900_000 }, () => {
  const kernel = new NetworkThread();
  after(() => kernel.close());
  const open = async (endpoints: readonly EndpointSpec[], gateways = {}) => {
    await kernel.run('bridges', { bridges: [BRIDGE], links: [] });
    return await kernel.run('open', { endpoints, gateways });
  };
  const inside = async (namespace: number, ...command: readonly string[]) =>
    (await runCommand('nsenter', [`--net=/proc/${process.pid}/fd/${namespace}`, ...command])).stdout;

  test('a namespace has its endpoint, addresses and routes', async () => {
    const namespace = await open([endpoint()], {
      ipv4: { address: '10.99.0.1', interface: 'eth0' },
      ipv6: { address: 'fd00:99::1', interface: 'eth0' },
    });
    const shown = await inside(namespace, 'ip', '-o', 'addr');
    assert.match(shown, /eth0 +inet 10\.99\.0\.2\/24 brd 10\.99\.0\.255/);
    assert.match(shown, /eth0 +inet6 fd00:99::2\/64 scope global nodad/);
    assert.match(await inside(namespace, 'ip', 'link'), /eth0@.* mtu 1400 .*\n.*02:42:0a:63:00:02/);
    assert.match(await inside(namespace, 'ip', '-6', 'route'), /default via fd00:99::1/);
    assert.match(
      (await runCommand('bridge', ['-d', 'link', 'show', 'dev', 'vetht'])).stdout,
      /hairpin on .*isolated off/s,
    );
    await kernel.run('leave', { namespace: `/proc/self/fd/${namespace}`, link: 'vetht', gateways: {} });
    assert.doesNotMatch(await inside(namespace, 'ip', '-o', 'addr'), /eth0/);
    closeSync(namespace);
  });

  test('an opening that fails half way leaves no link', async () => {
    await assert.rejects(
      open([endpoint(), endpoint({ link: 'vetht2', bridge: 'nosuch', interface: 'eth1' })]),
      /the bridge nosuch does not exist/,
    );
    await assert.rejects(open([endpoint()], { ipv4: { address: '10.77.0.1', interface: 'eth0' } }), {
      message: /cannot set the default route/,
    });
    assert.deepEqual(
      (await readHostNetwork()).links.filter((name) => name.startsWith('veth')),
      [],
    );
    const namespace = await open([endpoint()]);
    await kernel.run('unlink', { links: ['vetht', 'nosuch'] });
    closeSync(namespace);
  });

  test('a bridge of somebody else is neither used nor removed, unless a client named it', async () => {
    await runCommand('ip', ['link', 'add', 'theirs', 'type', 'bridge']);
    const theirs = { ...BRIDGE, name: 'theirs', addresses: ['10.98.0.1/24'] };
    await assert.rejects(kernel.run('bridges', { bridges: [theirs], links: [] }), { code: 'EEXIST' });
    assert.deepEqual(await kernel.run('bridges', { bridges: [{ ...theirs, adopt: true }], links: [] }), []);
    await kernel.run('remove-bridge', theirs);
    assert.ok((await readHostNetwork()).links.includes('theirs'));
    assert.equal((await kernel.run('find-link', { name: BRIDGE.name }))?.alias, BRIDGE.alias);
    assert.ok((await kernel.run('routes', {})).includes('10.99.0.0/24'));
    await kernel.run('remove-bridge', BRIDGE);
    assert.equal(await kernel.run('find-link', { name: BRIDGE.name }), undefined);
  });

  test('a bridge that somebody has renamed is replaced, with the links of containers', async () => {
    const namespace = await open([endpoint()], { ipv4: { address: '10.99.0.1', interface: 'eth0' } });
    await runCommand('ip', ['link', 'set', BRIDGE.name, 'name', 'renamed']);
    const links = [{ link: 'vetht', bridge: BRIDGE.name, isolated: false }];
    assert.deepEqual(await kernel.run('bridges', { bridges: [BRIDGE], links }), [BRIDGE.name]);
    assert.ok(!(await readHostNetwork()).links.includes('renamed'));
    assert.match((await runCommand('ip', ['route', 'get', '10.99.0.2'])).stdout, /dev berth-t /);
    assert.match((await runCommand('bridge', ['link', 'show', 'dev', 'vetht'])).stdout, /master berth-t /);
    await kernel.run('unlink', { links: ['vetht'] });
    await kernel.run('remove-bridge', BRIDGE);
    closeSync(namespace);
  });

  test('a bridge that an agent was killed over is made whole, or removed', async () => {
    const makeHalf = () =>
      runCommand('ip', ['link', 'add', BRIDGE.name, 'address', BRIDGE.mac, 'type', 'bridge']);
    await makeHalf();
    assert.deepEqual(await kernel.run('bridges', { bridges: [BRIDGE], links: [] }), [BRIDGE.name]);
    assert.equal((await kernel.run('find-link', { name: BRIDGE.name }))?.alias, BRIDGE.alias);
    const shown = (await runCommand('ip', ['-o', 'addr', 'show', BRIDGE.name])).stdout;
    assert.match(shown, /inet 10\.99\.0\.1\/24/);
    await kernel.run('remove-bridge', BRIDGE);
    await makeHalf();
    await kernel.run('remove-bridge', BRIDGE);
    assert.equal(await kernel.run('find-link', { name: BRIDGE.name }), undefined);
  });

  test('the table of the packet filter is made, changed, restored and removed, and others are left alone', async () => {
    await runCommand('nft', ['add table inet theirs; add chain inet theirs c']);
    const before = (await readHostNetwork()).filter;
    const filter = new PacketFilter(kernel, 'berth_t', async () => []);
    const port = {
      protocol: 'tcp',
      hostIp: '0.0.0.0',
      hostPort: 80,
      containerPort: 8080,
      address: '10.99.0.2',
    } as const;
    filter.adoptPorts('a', [port]);
    await filter.settle();
    await filter.setPorts('b', [{ ...port, hostPort: 81 }]);
    assert.match((await readHostNetwork()).filter, /tcp \. 80 : 10\.99\.0\.2 \. 8080,\s+tcp \. 81 : 10/);
    assert.equal(await filter.settle(), false);
    for (const harm of ['delete table inet berth_t', 'flush chain inet berth_t forward']) {
      await runCommand('nft', [harm]);
      assert.equal(await filter.settle(), true, harm);
      assert.equal(await filter.settle(), false, harm);
    }
    // Elements that somebody has taken away come back with the next change, and without one.
    for (const ports of [[port], []]) {
      await runCommand('nft', ['flush map inet berth_t ports4']);
      await filter.setPorts(
        'c',
        ports.map((other) => ({ ...other, hostPort: 82 })),
      );
      assert.match((await readHostNetwork()).filter, /tcp \. 80 : 10\.99\.0\.2 \. 8080,\s+tcp \. 81 : 10/);
    }
    await runCommand('nft', ['flush map inet berth_t ports4']);
    await filter.settle();
    await filter.setPorts('a', []);
    assert.match((await readHostNetwork()).filter, /elements = \{ tcp \. 81 : 10\.99\.0\.2 \. 8080 \}/);
    await filter.remove([]);
    assert.equal((await readHostNetwork()).filter, before);
  });
});
