import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { NetworkThread } from '../../runtime-agent/networks/kernel/network-thread.ts';
import { DEFAULT_ENDPOINT } from '../../runtime-agent/networks/network.ts';
import type { CleanupScope } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { makeNeighbour, type Neighbour } from '../support/neighbour.ts';
import { type NetworkAgent, type NetworkContainer, startNetworkAgent } from '../support/network-agent.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

/** What a program in a namespace gets of a page; '' where nothing comes. */
async function fetchFrom(enter: readonly string[], url: string): Promise<string> {
  const [command = 'env', ...args] = [...enter, 'busybox', 'wget', '-T', '20', '-qO-', url];
  return (await runCommand(command, args, { expectExit: 'any' })).stdout.trim();
}

interface Attempt {
  readonly who: string;
  readonly enter: readonly string[];
  readonly url: string;
}

/** The pages that come, of those that must not. */
async function successes(attempts: readonly Attempt[]): Promise<readonly string[]> {
  const byOrigin = Map.groupBy(attempts, ({ enter }) => enter.join(' '));
  const outputs = await Promise.all(
    [...byOrigin.values()].map(async (group) => {
      const [{ who, enter } = { who: '', enter: [] }] = group;
      const each = 'for url; do busybox wget -T 1 -qO- "$url" 2>&1 | sed "s|^|$url: |" & done; wait';
      const [command = 'env', ...args] = [...enter, 'sh', '-c', each, 'sh', ...group.map(({ url }) => url)];
      const { stdout } = await runCommand(command, args);
      return stdout
        .split('\n')
        .flatMap((line) => (line === '' || line.includes('wget: ') ? [] : `${who}: ${line}`));
    }),
  );
  return outputs.flat();
}

async function reaches(enter: readonly string[], address: string, seconds: number): Promise<boolean> {
  const [command = 'env', ...args] = [...enter, 'busybox', 'ping', '-c', '1', '-W', String(seconds), address];
  return (await runCommand(command, args, { expectExit: 'any' })).exitCode === 0;
}

/** An agent's container with a port that is published on the loopback alone, and one that is not published. */
interface Served {
  readonly container: NetworkContainer;
  readonly name: string;
  readonly hostPort: number;
}

async function serve(
  agent: NetworkAgent,
  name: string,
  hostPort: number,
  network = 'bridge',
): Promise<Served> {
  const ports = { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: String(hostPort) }] };
  return { container: await agent.run(name, { networks: [network], ports }), name, hostPort };
}

/** The host reaches what is published; a neighbour, other containers and networks reach nothing, and nothing reaches the host's loopback. */
async function assertGuarded(
  scope: CleanupScope,
  neighbour: Neighbour,
  served: readonly Served[],
): Promise<void> {
  const secret = createServer((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nsecret')).unref();
  await new Promise<void>((resolve) => secret.listen(0, '127.0.0.1', resolve));
  scope.after(() => void secret.close());
  const { port } = secret.address() as { port: number };
  const attempts: Attempt[] = [];
  const attempt = (who: string, enter: readonly string[], ...urls: readonly string[]) =>
    attempts.push(...urls.map((url) => ({ who, enter, url })));
  for (const { container, name, hostPort } of served) {
    assert.equal(await fetchFrom([], `http://127.0.0.1:${hostPort}`), name, 'published on the loopback');
    const urls = [`http://${container.ipv4}:80`, `http://${container.ipv4}:81`];
    if (container.ipv6 !== '') urls.push(`http://[${container.ipv6}]:80`, `http://[${container.ipv6}]:81`);
    attempt('the neighbour', neighbour.enter, ...urls, `http://127.0.0.1:${hostPort}`);
    const others = served.flatMap((other) => (other.container === container ? [] : [other.container]));
    for (const { enter } of others) attempt('another container', enter, ...urls);
    await pretendLoopback(container);
    attempt(name, container.enter, `http://127.0.0.1:${port}`);
  }
  assert.deepEqual(await successes(attempts), []);
  // What a container sends out has the host's address: the neighbour knows no way to its own.
  await neighbour.ip('route', 'del', 'default');
  for (const { container, name } of served) {
    assert.ok(await reaches(container.enter, neighbour.ipv4, 20), `${name} reaches the neighbour`);
  }
  await neighbour.ip('route', 'add', 'default', 'via', neighbour.host4);
}

/** As a privileged container does, which takes 127.0.0.1 to be its gateway. */
async function pretendLoopback({ enter }: NetworkContainer): Promise<void> {
  const script = [
    'ip addr del 127.0.0.1/8 dev lo 2>/dev/null',
    'for i in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$i/route_localnet; done',
    'ip route replace 127.0.0.1/32 via $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p")',
  ].join('; ');
  await runIn(enter, script);
}

/** Runs a script in a namespace; answers what it prints. */
async function runIn(enter: readonly string[], script: string): Promise<string> {
  const [command = '', ...args] = [...enter, 'sh', '-c', script];
  return (await runCommand(command, args)).stdout;
}

/** Sends what routers send (RFC 4861, 4.2), as each container can that may open raw sockets, and waits until the host has it. */
async function advertiseRouter({ enter }: NetworkContainer): Promise<void> {
  const script = `
import socket, struct
out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, "fd00:666::")
out.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
`;
  // Its own address has to be there first.
  const tentative = 'while ip -6 addr show dev eth0 | grep -q tentative; do sleep 0.1; done';
  const answered = 'ping -6 -c 1 -W 20 ff02::1%eth0 > /dev/null; true';
  const [command = '', ...args] = [
    ...enter,
    'sh',
    '-c',
    `${tentative}; python3 -c "$1" && ${answered}`,
    'sh',
  ];
  await runCommand(command, [...args, script]);
}

describe('the packet filter of agents beside each other, attacked', {
  skip: unlessRoot(),
  timeout: 900_000,
}, () => {
  test('a second agent starts while the bridge of the first is there', async (t) => {
    const neighbour = await makeNeighbour(t, 81);
    const first = await startNetworkAgent(t);
    const a = await serve(first, 'a', 8101);
    const second = await startNetworkAgent(t);
    const b = await serve(second, 'b', 8102);
    await second.createNetwork('sea', { enableIpv6: true, subnets: [{ subnet: 'fd00:83::/64' }] });
    const c = await serve(second, 'c', 8103, 'sea');
    await assertGuarded(t, neighbour, [a, b, c]);
    for (const { container } of [a, b, c]) await container.end();
  });

  test('two agents start their first containers at once', async (t) => {
    const neighbour = await makeNeighbour(t, 82);
    const agents = await Promise.all([startNetworkAgent(t), startNetworkAgent(t)]);
    const served = await Promise.all(agents.map((agent, index) => serve(agent, `s${index}`, 8111 + index)));
    assert.equal(new Set(served.map(({ container }) => container.ipv4.replace(/\.\d+$/, ''))).size, 2);
    await assertGuarded(t, neighbour, served);
    for (const { container } of served) await container.end();
  });

  test('an agent is killed, its containers end, and another starts with new data', async (t) => {
    const neighbour = await makeNeighbour(t, 83);
    const first = await startNetworkAgent(t);
    const a = await serve(first, 'a', 8121);
    await first.kill();
    await a.container.end();
    const second = await startNetworkAgent(t);
    const b = await serve(second, 'b', 8121);
    await assertGuarded(t, neighbour, [b]);
    await first.start();
    const c = await serve(first, 'c', 8122);
    await assertGuarded(t, neighbour, [b, c]);
    for (const { container } of [b, c]) await container.end();
  });

  test('an agent is killed, its containers run on, another starts, and the first comes back', async (t) => {
    const neighbour = await makeNeighbour(t, 84);
    const first = await startNetworkAgent(t);
    const a = await serve(first, 'a', 8131);
    await first.kill();
    const second = await startNetworkAgent(t);
    const b = await serve(second, 'b', 8132);
    await assertGuarded(t, neighbour, [a, b]);
    await first.start();
    await second.kill();
    await assertGuarded(t, neighbour, [a, b]);
    for (const { container } of [a, b]) await container.end();
  });

  test('an agent stops idle, another takes the name of its bridge and its subnets, and it comes back', async (t) => {
    const neighbour = await makeNeighbour(t, 85);
    const first = await startNetworkAgent(t);
    await first.createNetwork('sea');
    await (await serve(first, 'gone', 8141, 'sea')).container.end();
    await first.stopIdle();
    const second = await startNetworkAgent(t);
    await second.createNetwork('lake');
    const b = await serve(second, 'b', 8142);
    const c = await serve(second, 'c', 8143, 'lake');
    await first.start();
    const a = await serve(first, 'a', 8141);
    const d = await serve(first, 'd', 8144, 'sea');
    await assertGuarded(t, neighbour, [a, b, c, d]);
    for (const { container } of [a, b, c, d]) await container.end();
  });

  test('a neighbour that routes to this host reaches what is published on its addresses, and nothing else', async (t) => {
    const neighbour = await makeNeighbour(t, 86);
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('six', { enableIpv6: true, subnets: [{ subnet: 'fd00:87::/64' }] });
    const published = (HostIp: string, HostPort: string) => ({ HostIp, HostPort });
    const container = await agent.run('web', {
      networks: ['six'],
      ports: {
        '80/tcp': [published('127.0.0.1', '8151'), published('127.0.0.9', '8152'), published('::1', '8151')],
        '81/tcp': [published('', '8153')],
      },
    });
    const { enter, host4, host6 } = neighbour;
    for (const host of ['127.0.0.1', '[::1]'])
      assert.equal(await fetchFrom([], `http://${host}:8151`), 'web', host);
    for (const host of [host4, `[${host6}]`])
      assert.equal(await fetchFrom(enter, `http://${host}:8153`), 'web', host);
    // Its own loopback is not the one that it asks for.
    await neighbour.ip('route', 'add', '127.0.0.9/32', 'via', host4, 'dev', 'eth0');
    await neighbour.ip('-6', 'route', 'add', '::1/128', 'via', host6, 'dev', 'eth0');
    const { ipv4, ipv6 } = container;
    const targets = [
      '127.0.0.1:8151',
      '127.0.0.9:8152',
      '[::1]:8151',
      `${host4}:8151`,
      `[${host6}]:8151`,
    ].concat(['127.0.0.1:8153', `${ipv4}:80`, `${ipv4}:81`, `[${ipv6}]:80`, `[${ipv6}]:81`]);
    const attempts = targets.map((target) => ({ who: 'the neighbour', enter, url: `http://${target}` }));
    assert.deepEqual(await successes(attempts), []);
    await container.end();
  });

  test('a container reaches another of its network by a published port, and hosts that know no way back', async (t) => {
    const neighbour = await makeNeighbour(t, 93);
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('six', { enableIpv6: true, subnets: [{ subnet: 'fd00:94::/64' }] });
    const ports = { '80/tcp': [{ HostIp: '', HostPort: '8161' }] };
    const web = await agent.run('web', { networks: ['six'], ports });
    const other = await agent.run('other', { networks: ['six'] });
    for (const host of [neighbour.host4, `[${neighbour.host6}]`]) {
      const url = `http://${host}:8161`;
      assert.equal(await fetchFrom(other.enter, url), 'web', `another container: ${url}`);
      assert.equal(await fetchFrom(web.enter, url), 'web', `the container itself: ${url}`);
    }
    await neighbour.ip('route', 'del', 'default');
    await neighbour.ip('-6', 'route', 'del', 'default');
    for (const to of [neighbour.ipv4, neighbour.ipv6]) assert.ok(await reaches(other.enter, to, 20), to);
    for (const container of [web, other]) await container.end();
  });

  test('nothing comes from a container under an address of the loopback', async (t) => {
    const agent = await startNetworkAgent(t);
    const container = await agent.run('web');
    await pretendLoopback(container);
    const { enter } = container;
    const gateway = (await runIn(enter, 'ip route | sed -n "s/^default via \\([0-9.]*\\).*/\\1/p"')).trim();
    const senders: string[] = [];
    const socket = createSocket('udp4', (_, { address }) => senders.push(address)).unref();
    t.after(() => void socket.close());
    await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', resolve));
    const { port } = socket.address();
    await runIn(enter, 'ip addr add 127.0.0.5/32 dev eth0');
    const send = (from: string) =>
      runIn(
        enter,
        `python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("${from}", 0)); s.sendto(b"x", ("${gateway}", ${port}))'`,
      );
    await send('127.0.0.5');
    await send(container.ipv4);
    await eventually('what it sends under its own address is there', async () =>
      senders.includes(container.ipv4) ? true : undefined,
    );
    assert.deepEqual(new Set(senders), new Set([container.ipv4]));
    await container.end();
  });

  test('a container is in no network before the packet filter holds for its bridge', async (t) => {
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('sea');
    const { run } = NetworkThread.prototype;
    const opened: string[] = [];
    t.mock.method(
      NetworkThread.prototype,
      'run',
      async function (this: NetworkThread, ...[kind, request]: Parameters<typeof run>) {
        if ('endpoints' in request) {
          const { stdout } = await runCommand('nft', ['list ruleset']);
          const [, bridges = ''] = /set bridges \{[^{}]*elements = \{([^}]*)\}/.exec(stdout) ?? [];
          for (const { bridge } of request.endpoints) {
            assert.ok(bridges.includes(`"${bridge}"`), `${bridge} is not in ${bridges}`);
            opened.push(bridge);
          }
        }
        return await run.call(this, kind, request);
      },
    );
    for (const network of ['bridge', 'sea']) await (await agent.run(network, { networks: [network] })).end();
    assert.equal(new Set(opened).size, 2);
  });

  test('no container makes itself the router of the host', async (t) => {
    // As on hosts that get their own addresses so although they forward.
    await writeFile('/proc/sys/net/ipv6/conf/default/accept_ra', '2');
    const agent = await startNetworkAgent(t);
    const subnets = (subnet: string) => ({ enableIpv6: true, subnets: [{ subnet }] });
    await agent.createNetwork('open', subnets('fd00:91::/64'));
    await agent.createNetwork('closed', { ...subnets('fd00:92::/64'), internal: true });
    for (const network of ['open', 'closed']) {
      const container = await agent.run(network, { networks: [network] });
      await advertiseRouter(container);
      const { stdout } = await runCommand('ip', ['-6', 'route']);
      assert.doesNotMatch(stdout, /proto ra|fd00:666::/, network);
      await container.end();
    }
  });

  test('a process that has the number of an ended container is put into no network', async (t) => {
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('sea');
    const { container, end } = await agent.run('ended');
    const { containerNetworks } = agent.networking();
    // The number is that of a process in the host's own network.
    const running = { container, pid: process.pid, startTime: 1 };
    const before = await runCommand('ip', ['-o', 'link']);
    await assert.rejects(containerNetworks.join(running, 'sea', DEFAULT_ENDPOINT), { code: 'conflict' });
    await assert.rejects(containerNetworks.leave(running, 'bridge'), { code: 'conflict' });
    const links = (text: string) => [...text.matchAll(/^\d+: (\S+)/gm)].map(([, name]) => name);
    assert.deepEqual(links((await runCommand('ip', ['-o', 'link'])).stdout), links(before.stdout));
    await end();
  });

  test('the host forwards for its containers, and does not become a router between its networks', async (t) => {
    // A new namespace takes this over from the machine.
    for (const name of FORWARDING) await writeFile(name, '0');
    const [left, right] = [await makeNeighbour(t, 88), await makeNeighbour(t, 89)];
    const routed = async () =>
      (await Promise.all([reaches(left.enter, right.ipv4, 1), reaches(right.enter, left.ipv6, 1)])).join();
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('six', { enableIpv6: true, subnets: [{ subnet: 'fd00:90::/64' }] });
    const container = await agent.run('web', { networks: ['six'] });
    const passes = async () =>
      (await Promise.all([left.ipv4, right.ipv6].map((to) => reaches(container.enter, to, 20)))).join();
    assert.deepEqual([await passes(), await routed()], ['true,true', 'false,false']);
    // A second agent, and one that starts again, take it for a host that does not forward by itself.
    const other = await startNetworkAgent(t);
    const second = await other.run('other');
    await agent.kill();
    await agent.start();
    await runCommand('nft', ['flush ruleset']);
    await eventually('the agents have made their tables again', async () => {
      const { stdout } = await runCommand('nft', ['list', 'tables']);
      return /ip6 berth_forwarding/.test(stdout) && stdout.split('inet berth_').length === 3
        ? true
        : undefined;
    });
    assert.deepEqual([await passes(), await routed()], ['true,true', 'false,false']);
    assert.ok(await reaches(second.enter, left.ipv4, 20));
    await container.end();
    await agent.stopIdle();
    assert.ok(await reaches(second.enter, left.ipv4, 20));
    assert.deepEqual(await forwarding(), ['1', '0']);
    await second.end();
    await other.stopIdle();
    assert.deepEqual(await forwarding(), ['0', '0']);
    const { stdout } = await runCommand('nft', ['list', 'tables']);
    assert.equal(stdout, '');
  });

  test('a host that forwarded before goes on', async (t) => {
    const [left, right] = [await makeNeighbour(t, 91), await makeNeighbour(t, 92)];
    for (const name of FORWARDING) await writeFile(name, '1');
    t.after(async () => {
      for (const name of FORWARDING) await writeFile(name, '0');
    });
    const agent = await startNetworkAgent(t);
    await agent.createNetwork('six', { enableIpv6: true, subnets: [{ subnet: 'fd00:93::/64' }] });
    const container = await agent.run('web', { networks: ['six'] });
    assert.ok(await reaches(left.enter, right.ipv4, 20));
    assert.ok(await reaches(right.enter, left.ipv6, 20));
    await container.end();
    await agent.stopIdle();
    assert.deepEqual(await forwarding(), ['1', '1']);
  });
});

const FORWARDING = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];

async function forwarding(): Promise<readonly string[]> {
  return (await Promise.all(FORWARDING.map((name) => readFile(name, 'latin1')))).map((text) => text.trim());
}
