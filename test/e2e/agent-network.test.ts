import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { addressAnswer, DNS_TYPE, readQuestion } from '../../runtime-agent/networks/dns/dns-message.ts';
import { framed, readFrames } from '../../runtime-agent/networks/dns/forward-query.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { eventually } from '../support/eventually.ts';
import { fetchPage } from '../support/host-network.ts';
import { startProcess } from '../support/managed-process.ts';
import { enterOwnNetwork, HOST_ADDRESS } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const WEB = 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -h /www';

describe('networks of the agent', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  /** What a shell script prints in a container that is made for it. */
  const sh = async (script: string, ...flags: readonly string[]) =>
    (await docker(['run', '--rm', ...flags, image, 'sh', '-c', script])).stdout;
  const web = async (name: string, ...flags: readonly string[]) => {
    await docker(['run', '-d', '--name', name, '--hostname', name, ...flags, image, 'sh', '-c', WEB]);
    const pid = await docker(['inspect', '-f', '{{.State.Pid}}', name]);
    await eventually(`${name} listens`, async () => {
      const { stdout } = await docker([
        'run',
        '--rm',
        `--network=container:${name}`,
        image,
        'netstat',
        '-ltn',
      ]);
      return stdout.includes(':80 ') ? true : undefined;
    });
    return pid.stdout.trim();
  };
  const refused = async (args: readonly string[], message: RegExp, exitCode = 1) => {
    const { stderr } = await docker(args, { expectExit: exitCode });
    assert.match(stderr, message);
  };

  test('containers of a network know each other by name, alias and short ID', async () => {
    await docker(['network', 'create', 'names']);
    await web('harbour', '--network', 'names', '--network-alias', 'port', '--network-alias', 'quay');
    const { stdout: id } = await docker(['ps', '-q', '--filter', 'name=harbour']);
    for (const name of ['harbour', 'HARBOUR', 'port', 'quay', 'harbour.names', id.trim()]) {
      assert.equal(await sh(`wget -qO- http://${name}`, '--network', 'names'), 'harbour\n', name);
    }
    const { stdout: address } = await docker([
      'inspect',
      '-f',
      '{{.NetworkSettings.Networks.names.IPAddress}}',
      'harbour',
    ]);
    assert.match(await sh(`nslookup ${address.trim()}`, '--network', 'names'), /name = harbour\.names/);
    // By TCP too, and with a name server of its own on port 53.
    const both =
      'nc -l -p 53 -s 0.0.0.0 & nslookup harbour 2>/dev/null | grep -c Address; printf "\\0\\31\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7harbour\\0\\0\\1\\0\\1" | nc -w 60 127.0.0.11 53 | wc -c';
    assert.equal(await sh(both, '--network', 'names'), '2\n43\n');
    // The same name is unknown elsewhere, and the default bridge has none.
    await docker(['network', 'create', '--internal', 'elsewhere']);
    assert.match(await sh('nslookup harbour || true', '--network', 'elsewhere'), /SERVFAIL/);
    await docker(['rm', '-f', 'harbour']);
    await docker(['network', 'rm', 'names', 'elsewhere']);
  });

  test('several containers share an alias, and answer in turns', async () => {
    await docker(['network', 'create', 'shared']);
    await web('one', '--network', 'shared', '--network-alias', 'crew');
    await web('two', '--network', 'shared', '--network-alias', 'crew');
    // Drawn each time: all forty are for one of them once in 10^12.
    const asked = 'for i in $(seq 40); do wget -qO- http://crew; done | sort -u';
    assert.equal(await sh(asked, '--network', 'shared'), 'one\ntwo\n');
    await docker(['rm', '-f', 'one', 'two']);
    await docker(['network', 'rm', 'shared']);
  });

  test('networks do not reach each other, but published ports', async () => {
    await docker(['network', 'create', 'left']);
    await docker(['network', 'create', 'right']);
    await web('secret', '--network', 'left', '-p', '8081:80');
    const { stdout } = await docker([
      'inspect',
      '-f',
      '{{.NetworkSettings.Networks.left.IPAddress}}',
      'secret',
    ]);
    const address = stdout.trim();
    for (const network of ['right', 'bridge']) {
      assert.equal(await sh(`wget -T 1 -qO- http://${address} || echo no`, '--network', network), 'no\n');
      assert.equal(await sh(`wget -T 30 -qO- http://${HOST_ADDRESS}:8081`, '--network', network), 'secret\n');
    }
    assert.equal(await sh(`wget -T 30 -qO- http://${address}`, '--network', 'left'), 'secret\n');
    await docker(['rm', '-f', 'secret']);
    await docker(['network', 'rm', 'left', 'right']);
  });

  test('a port is reached on every address of the host, and from the container itself', async () => {
    await web('open', '-p', '8082:80', '-p', '127.0.0.1:8083:80', '-p', '[::1]:8084:80');
    for (const host of ['127.0.0.1', HOST_ADDRESS, '[::1]', 'localhost']) {
      assert.equal(await fetchPage(`http://${host}:8082`), 'open', host);
    }
    assert.equal(await fetchPage('http://127.0.0.1:8083'), 'open');
    assert.equal(await fetchPage(`http://${HOST_ADDRESS}:8083`), undefined);
    assert.equal(await fetchPage('http://[::1]:8084'), 'open');
    assert.equal(await fetchPage('http://127.0.0.1:8084'), undefined);
    const hairpin = await docker([
      'run',
      '--rm',
      '--network=container:open',
      image,
      'wget',
      '-T',
      '30',
      '-qO-',
      `http://${HOST_ADDRESS}:8082`,
    ]);
    assert.equal(hairpin.stdout, 'open\n');
    assert.equal(
      (await docker(['port', 'open'])).stdout,
      '80/tcp -> 0.0.0.0:8082\n80/tcp -> 127.0.0.1:8083\n80/tcp -> [::1]:8084\n80/tcp -> [::]:8082\n',
    );
    await docker(['rm', '-f', 'open']);
    assert.equal(await fetchPage('http://127.0.0.1:8082'), undefined);
  });

  test('udp is published, also on [::1]', async () => {
    await docker(['run', '-d', '--name', 'echo', '-p', '8053:53/udp', image, 'sleep', '100000']);
    const pid = (await docker(['inspect', '-f', '{{.State.Pid}}', 'echo'])).stdout.trim();
    // busybox has no server for UDP.
    const echo =
      "const s = require('dgram').createSocket('udp4'); s.on('message', (m, r) => s.send(m, r.port, r.address)); s.bind(53)";
    const server = startProcess({ after }, 'nsenter', [
      '--target',
      pid,
      '--net',
      process.execPath,
      '-e',
      echo,
    ]);
    for (const host of ['127.0.0.1', HOST_ADDRESS, '::1']) {
      const answer = await eventually(`an answer comes from ${host}`, () => askByUdp(host, 8053, 'ahoy'));
      assert.equal(answer, 'ahoy');
    }
    await server.end('SIGTERM');
    await docker(['rm', '-f', 'echo']);
  });

  test('ports that no client names, ranges, and ports that are taken', async () => {
    await docker([
      'run',
      '-d',
      '--name',
      'any',
      '-P',
      '--expose',
      '80',
      '--expose',
      '53/udp',
      image,
      'sleep',
      '100000',
    ]);
    const { stdout } = await docker(['port', 'any']);
    assert.match(
      stdout,
      /^53\/udp -> 0\.0\.0\.0:(\d+)\n53\/udp -> \[::\]:\1\n80\/tcp -> 0\.0\.0\.0:(\d+)\n80\/tcp -> \[::\]:\2\n$/,
    );
    await docker(['run', '-d', '--name', 'range', '-p', '8090-8091:80', image, 'sleep', '100000']);
    await docker(['run', '-d', '--name', 'range2', '-p', '8090-8091:80', image, 'sleep', '100000']);
    assert.match((await docker(['port', 'range2'])).stdout, /:8091\n/);
    await refused(
      ['run', '--rm', '-p', '8090:80', image, 'true'],
      /endpoint \S+ \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8090 failed: port is already allocated\.\n/,
      125,
    );
    await refused(['run', '--rm', '-p', '8090-8091:80', image, 'true'], /all ports are allocated/, 125);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '0.0.0.0', resolve));
    const { port } = other.address() as { port: number };
    await refused(
      ['run', '--rm', '-p', `${port}:80`, image, 'true'],
      new RegExp(`listen tcp4 0\\.0\\.0\\.0:${port}: bind: address already in use`),
      125,
    );
    other.close();
    await docker(['rm', '-f', 'any', 'range', 'range2']);
  });

  test('a running container is connected and disconnected', async () => {
    await docker(['network', 'create', '--subnet', '10.77.0.0/24', 'yard']);
    await web('mover', '-p', '8085:80');
    await docker(['network', 'connect', '--alias', 'crane', '--ip', '10.77.0.9', 'yard', 'mover']);
    assert.equal(
      await sh('wget -T 30 -qO- http://crane; wget -T 30 -qO- http://10.77.0.9', '--network', 'yard'),
      'mover\nmover\n',
    );
    const inside = async (script: string) => sh(script, '--network=container:mover');
    assert.match(await inside('cat /etc/hosts'), /\n10\.77\.0\.9\tmover\n/);
    assert.match(await inside('cat /etc/resolv.conf'), /^nameserver 127\.0\.0\.11\n/);
    assert.match(await inside('nslookup mover'), /10\.77\.0\.9/);
    await docker(['network', 'disconnect', 'bridge', 'mover']);
    assert.match(await inside('ip route'), /^default via 10\.77\.0\.1 dev eth1/);
    for (const host of ['127.0.0.1', '[::1]']) assert.equal(await fetchPage(`http://${host}:8085`), 'mover');
    await docker(['network', 'disconnect', 'yard', 'mover']);
    assert.equal((await inside('ip -o addr | grep -c eth || true')).trim(), '0');
    assert.doesNotMatch(await inside('cat /etc/hosts'), /10\.77/);
    await docker(['network', 'connect', 'yard', 'mover']);
    assert.equal(await sh('wget -T 30 -qO- http://mover', '--network', 'yard'), 'mover\n');
    await docker(['restart', '-t', '0', 'mover']);
    assert.match(await inside('ip -o -4 addr show eth0'), /10\.77\.0/);
    await docker(['rm', '-f', 'mover']);
    await docker(['network', 'rm', 'yard']);
  });

  test('an internal network leads nowhere else', async () => {
    await docker(['network', 'create', '--internal', 'inner']);
    await web('vault', '--network', 'inner', '-p', '8086:80');
    assert.equal(await sh('wget -T 30 -qO- http://vault', '--network', 'inner'), 'vault\n');
    assert.equal(
      await sh(
        `ip route | grep -c default; ping -c 1 -W 1 ${HOST_ADDRESS} >/dev/null 2>&1 || echo no`,
        '--network',
        'inner',
      ),
      '0\nno\n',
    );
    assert.equal((await docker(['port', 'vault'])).stdout, '');
    assert.equal(await fetchPage('http://127.0.0.1:8086'), undefined);
    await docker(['rm', '-f', 'vault']);
    await docker(['network', 'rm', 'inner']);
  });

  test('containers of a network without inter-container traffic reach the host only', async () => {
    await docker(['network', 'create', '-o', 'com.docker.network.bridge.enable_icc=false', 'apart']);
    await web('hermit', '--network', 'apart');
    assert.equal(await sh('wget -T 1 -qO- http://hermit || echo no', '--network', 'apart'), 'no\n');
    assert.match(
      await sh(
        'ping -c 1 -W 20 $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p")',
        '--network',
        'apart',
      ),
      / 0% packet loss/,
    );
    await docker(['rm', '-f', 'hermit']);
    await docker(['network', 'rm', 'apart']);
  });

  test('addresses, MAC addresses, hosts and resolvers that a client chooses', async () => {
    await docker([
      'network',
      'create',
      '--subnet',
      '10.78.0.0/24',
      '--ip-range',
      '10.78.0.64/26',
      '--gateway',
      '10.78.0.2',
      'chosen',
    ]);
    const shown = await sh(
      'ip -o -4 addr show eth0; cat /sys/class/net/eth0/address; ip route; cat /etc/hosts /etc/resolv.conf',
      ...['--network', 'chosen', '--ip', '10.78.0.5', '--mac-address', '02:42:00:00:00:07'],
      ...['--add-host', 'old:10.1.2.3', '--add-host', 'me:host-gateway'],
      ...[
        '--dns',
        '10.9.9.9',
        '--dns-search',
        'example.org',
        '--dns-option',
        'timeout:1',
        '--hostname',
        'h',
        '--domainname',
        'example.org',
      ],
    );
    assert.match(shown, / 10\.78\.0\.5\/24 /);
    assert.match(shown, /\n02:42:00:00:00:07\n/);
    assert.match(shown, /default via 10\.78\.0\.2 /);
    assert.match(shown, /\n10\.1\.2\.3\told\n172\.\d+\.0\.1\tme\n10\.78\.0\.5\th\.example\.org h\n/);
    assert.match(shown, /\nnameserver 127\.0\.0\.11\nsearch example\.org\noptions timeout:1 ndots:0\n$/);
    assert.match(await sh('ip -o -4 addr show eth0', '--network', 'chosen'), / 10\.78\.0\.64\/24 /);
    await docker(['network', 'rm', 'chosen']);
  });

  test('IPv6 where a network has it', async () => {
    await docker(['network', 'create', '--ipv6', '--subnet', 'fd00:78::/64', 'six']);
    await web('newer', '--network', 'six', '-p', '8087:80');
    assert.equal(await sh('wget -T 30 -qO- "http://[fd00:78::2]"', '--network', 'six'), 'newer\n');
    assert.match(await sh('nslookup -type=aaaa newer', '--network', 'six'), /fd00:78::2/);
    for (const host of ['[::1]', '[fd00:78::1]', '127.0.0.1']) {
      assert.equal(await fetchPage(`http://${host}:8087`), 'newer', host);
    }
    await docker(['rm', '-f', 'newer']);
    await docker(['network', 'rm', 'six']);
  });

  test('networks of the host, of nobody, and of another container', async () => {
    assert.match(await sh('ip -o addr', '--network', 'host'), new RegExp(HOST_ADDRESS));
    assert.doesNotMatch(await sh('ip -o addr', '--network', 'none'), /eth/);
    await web('owner');
    assert.equal(
      await sh('hostname; wget -qO- http://127.0.0.1', '--network', 'container:owner'),
      'owner\nowner\n',
    );
    await docker(['stop', '-t', '0', 'owner']);
    await refused(
      ['run', '--rm', '--network', 'container:owner', image, 'true'],
      /cannot join network of a non running container/,
      125,
    );
    await docker(['rm', 'owner']);
  });

  test('list, filters, inspect, events and prune', async () => {
    await docker(['network', 'create', '--label', 'tier=front', 'front']);
    await docker(['network', 'create', 'back']);
    const listed = async (...filters: readonly string[]) =>
      (
        await docker([
          'network',
          'ls',
          '--format',
          '{{.Name}}',
          ...filters.flatMap((filter) => ['--filter', filter]),
        ])
      ).stdout
        .trim()
        .split('\n');
    assert.deepEqual(await listed(), ['back', 'bridge', 'front', 'host', 'none']);
    assert.deepEqual(await listed('type=custom'), ['back', 'front']);
    assert.deepEqual(await listed('label=tier=front'), ['front']);
    assert.deepEqual(await listed('driver=host'), ['host']);
    await docker(['run', '-d', '--name', 'member', '--network', 'back', image, 'sleep', '100000']);
    assert.deepEqual(await listed('dangling=true'), ['front']);
    assert.deepEqual(
      (await docker(['ps', '--filter', 'network=back', '--format', '{{.Names}}'])).stdout,
      'member\n',
    );
    const { stdout } = await docker([
      'network',
      'inspect',
      '-f',
      '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}',
      'back',
    ]);
    assert.match(stdout, /^member 172\.\d+\.0\.2\/16\n$/);
    await refused(['network', 'rm', 'back'], /has active endpoints/);
    assert.equal((await docker(['network', 'prune', '-f'])).stdout, 'Deleted Networks:\nfront\n\n');
    await docker(['rm', '-f', 'member']);
    await docker(['network', 'rm', 'back']);
    const events = await docker([
      'events',
      '--since',
      '10m',
      '--until',
      String(Math.floor(Date.now() / 1000) + 1),
      '--filter',
      'type=network',
      '--filter',
      'network=back',
      '--format',
      '{{.Action}} {{.Actor.Attributes.type}}',
    ]);
    assert.equal(events.stdout, 'create bridge\nconnect bridge\ndisconnect bridge\ndestroy bridge\n');
  });

  test('other names are asked of the resolvers that the host or the client names', async (t) => {
    const asked: string[] = [];
    const answer = (query: Buffer, protocol: string) => {
      const { name, type } = readQuestion(query) ?? { name: '', type: 0 };
      asked.push(`${protocol} ${name}`);
      const question = { id: 0, name, type, end: query.length };
      return addressAnswer(query, question, type === DNS_TYPE.A ? ['203.0.113.7'] : []);
    };
    const udp = createSocket('udp4', (query, from) =>
      udp.send(answer(query, 'udp'), from.port, from.address),
    );
    t.after(() => udp.close());
    udp.bind(53, HOST_ADDRESS);
    const tcp = createServer(async (socket) => {
      // Who asks may go away as soon as the answer is there.
      socket.on('error', () => undefined);
      try {
        for await (const query of readFrames(socket)) socket.end(framed(answer(query, 'tcp')));
      } catch {
        socket.destroy();
      }
    });
    t.after(() => tcp.close());
    await new Promise<void>((resolve) => tcp.listen(53, HOST_ADDRESS, resolve));
    await docker(['network', 'create', 'asking']);
    const flags = ['--network', 'asking', '--dns', HOST_ADDRESS];
    assert.match(await sh('nslookup far.example', ...flags), /Address: 203\.0\.113\.7/);
    const byTcp =
      'printf "\\0\\31\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7distant\\0\\0\\1\\0\\1" | nc -w 60 127.0.0.11 53 | wc -c';
    assert.equal(await sh(byTcp, ...flags), '43\n');
    assert.ok(asked.includes('udp far.example') && asked.includes('tcp distant'), asked.join(', '));
    // Without names to know, the container asks the server itself.
    assert.match(
      await sh('nslookup far.example', '--dns', HOST_ADDRESS),
      new RegExp(`Server:\\s+${HOST_ADDRESS}`),
    );
    await docker(['network', 'rm', 'asking']);
  });

  test("the host's loopback is out of reach, whatever a container makes up", async (t) => {
    const server = createServer((socket) => socket.end('secret'));
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const pretend = [
      'ip addr del 127.0.0.1/8 dev lo',
      'for i in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$i/route_localnet; done',
      'ip route add 127.0.0.1/32 via $(ip route | sed -n "s/default via \\([0-9.]*\\).*/\\1/p")',
      `timeout 2 nc 127.0.0.1 ${port} </dev/null || echo no`,
    ].join(' && ');
    assert.equal(await sh(pretend, '--privileged'), 'no\n');
  });

  test('info tells of a packet filter that lets nothing through the host', async () => {
    const nft = (text: string) => runCommand('nft', [text]);
    assert.doesNotMatch((await docker(['info'])).stdout, /drops forwarded packets/);
    await nft(
      'add table ip other; add chain ip other FORWARD { type filter hook forward priority 0; policy drop; }',
    );
    const { stdout, stderr } = await docker(['info']);
    await nft('delete table ip other');
    assert.match(
      stdout + stderr,
      /WARNING: the packet filter's chain "ip other FORWARD" drops forwarded packets/,
    );
  });

  test('a network is removed once, and never below a container that starts or joins', async () => {
    const call = (method: string, path: string, body?: object) =>
      callEngineAt(agent.socket, method, path, body);
    for (const first of ['removal', 'start', 'join']) {
      await docker(['network', 'create', 'contested']);
      const network = first === 'join' ? 'bridge' : 'contested';
      await docker(['create', '--name', 'late', '--network', network, image, 'sleep', '1000']);
      if (first === 'join') await docker(['start', 'late']);
      const remove = () => call('DELETE', '/networks/contested');
      const enter = () =>
        first === 'join'
          ? call('POST', '/networks/contested/connect', { Container: 'late' })
          : call('POST', '/containers/late/start');
      const answers = await Promise.all(first === 'removal' ? [remove(), enter()] : [enter(), remove()]);
      const [removed, entered] = first === 'removal' ? answers : answers.toReversed();
      const outcome = `${removed?.status} ${entered?.status}`;
      const welcome = first === 'join' ? 200 : 204;
      assert.ok([`403 ${welcome}`, '204 404'].includes(outcome), `${first}: ${outcome} ${entered?.text}`);
      await docker(['rm', '-f', 'late']);
      await docker(['network', 'rm', 'contested'], { expectExit: removed?.status === 204 ? 1 : 0 });
    }
    await docker(['network', 'create', 'contested']);
    const removals = await Promise.all([1, 2, 3].map(() => call('DELETE', '/networks/contested')));
    assert.deepEqual(removals.map(({ status }) => status).sort(), [204, 404, 404]);
  });

  test('eight at once get addresses of their own', async () => {
    const addresses = await Promise.all(
      Array.from({ length: 8 }, () => sh('ip -o -4 addr show eth0 | sed "s/.*inet \\([0-9.]*\\).*/\\1/"')),
    );
    assert.equal(new Set(addresses).size, 8, addresses.join(' '));
  });

  // Last: the link to the outside goes with the other host.
  test('another host reaches published ports only, and is reached', async () => {
    const other = startProcess({ after }, 'unshare', ['--net', 'sleep', '100000']);
    await eventually('it has a namespace', async () =>
      (await readlink(`/proc/${other.pid}/ns/net`)) === (await readlink('/proc/self/ns/net'))
        ? undefined
        : true,
    );
    const there = async (...command: readonly string[]) =>
      (await runCommand('nsenter', [`--net=/proc/${other.pid}/ns/net`, ...command], { expectExit: 'any' }))
        .stdout;
    await runCommand('ip', ['link', 'set', 'outside1', 'netns', String(other.pid)]);
    await there('ip', 'addr', 'add', '198.51.100.2/24', 'dev', 'outside1');
    await there('ip', 'link', 'set', 'outside1', 'up');
    await there('ip', 'route', 'add', '172.16.0.0/12', 'via', HOST_ADDRESS);
    await web('shop', '-p', '8088:80');
    const { stdout } = await docker(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'shop']);
    const fetchThere = (url: string, seconds: number) =>
      there('busybox', 'wget', '-T', String(seconds), '-qO-', url);
    assert.equal(await fetchThere(`http://${HOST_ADDRESS}:8088`, 60), 'shop\n');
    assert.equal(await fetchThere(`http://${stdout.trim()}`, 5), '');
    // What a container sends comes from the host's address: the other host knows no way to the container's own.
    await there('ip', 'route', 'del', '172.16.0.0/12');
    assert.match(await sh('ping -c 1 -W 20 198.51.100.2'), / 0% packet loss/);
    await docker(['rm', '-f', 'shop']);
    await other.end('SIGTERM');
  });
});

/** Undefined where nothing comes within a moment. */
function askByUdp(host: string, port: number, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = (answer: string | undefined) => {
      clearTimeout(timer);
      socket.removeAllListeners('message').on('error', () => undefined);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), 1000);
    socket.once('error', () => end(undefined));
    socket.once('message', (message) => end(message.toString()));
    socket.send(text, port, host);
  });
}
