import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

describe('networks, beside dockerd', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after }, { network: 'own' });
  await loadIntoDocker({ after }, dockerd, await makeBusyboxImage(await imageFolder({ after })), image);

  const { same } = besideDockerd(agent, dockerd);
  const create = (...args: readonly string[]) => ['network', 'create', ...args];
  const run = (...args: readonly string[]) => ['run', '--rm', ...args, image, 'true'];
  const json = (field: string, name: string) => ['inspect', '-f', `{{json ${field}}}`, name];

  test('lists and what is shown of each network', async () => {
    await same(
      ['network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}'],
      ['network', 'inspect', 'host', 'none', 'bridge'],
      create('--label', 'a=b', 'one'),
      create('--internal', '--attachable', 'two'),
      create(
        ...['--subnet', '10.9.0.0/24', '--ip-range', '10.9.0.128/25', '--gateway', '10.9.0.5'],
        ...[
          '--aux-address',
          'x=10.9.0.130',
          '--opt',
          'com.docker.network.driver.mtu=1400',
          '--opt',
          'foo=bar',
          'three',
        ],
      ),
      create('--ipv6', '--subnet', 'fd00:9::/64', 'four'),
      ['network', 'inspect', 'one', 'two', 'three', 'four'],
      ['network', 'ls', '--filter', 'label=a', '--format', '{{.Name}}'],
      ['network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}'],
      ['network', 'rm', 'four'],
    );
  });

  test('what cannot be made or removed', async () => {
    await same(
      create('one'),
      create('bridge'),
      create('none'),
      create('default'),
      create('-d', 'host', 'x'),
      create('-d', 'null', 'x'),
      create('--subnet', '10.9.0.0/25', 'x'),
      create('--subnet', '10.10.0.5/16', 'x'),
      create('--subnet', '10.10.0.0', 'x'),
      create('--ipv6', 'x'),
      create('-o', 'com.docker.network.driver.mtu=abc', 'x'),
      ['network', 'inspect', 'x'],
      ['network', 'rm', 'x'],
      ['network', 'rm', 'bridge'],
      ['network', 'ls', '--filter', 'nosuch=1'],
    );
  });

  test('a container in networks', async () => {
    await same(
      [
        'run',
        '-d',
        '--name',
        'cargo',
        '-h',
        'cargo',
        '--network',
        'one',
        '--network-alias',
        'web',
        '-p',
        '8081:80',
        '-p',
        '127.0.0.1:8082:80/udp',
        '-p',
        '9000-9001:9000-9001',
        '--expose',
        '1234',
        image,
        'sleep',
        '100000',
      ],
      json('.NetworkSettings.Networks', 'cargo'),
      json('.NetworkSettings.Ports', 'cargo'),
      json('.NetworkSettings.IPAddress', 'cargo'),
      json('.HostConfig.PortBindings', 'cargo'),
      json('.Config.ExposedPorts', 'cargo'),
      ['port', 'cargo'],
      ['port', 'cargo', '80'],
      ['port', 'cargo', '81'],
      ['network', 'inspect', 'one'],
      ['network', 'rm', 'one'],
      ['network', 'connect', '--alias', 'al', '--ip', '10.9.0.140', 'three', 'cargo'],
      ['network', 'connect', 'three', 'cargo'],
      json('.NetworkSettings.Networks', 'cargo'),
      ['run', '--rm', '--network', 'container:cargo', image, 'cat', '/etc/hosts'],
      ['run', '--rm', '--network', 'container:cargo', image, 'ip', 'route'],
      ['run', '--rm', '--network', 'container:cargo', image, 'hostname'],
      ['network', 'disconnect', 'one', 'cargo'],
      ['network', 'disconnect', 'one', 'cargo'],
      ['run', '--rm', '--network', 'container:cargo', image, 'ip', 'route'],
      run('--ip', '10.9.0.140', '--network', 'three'),
      ['stop', '-t', '0', 'cargo'],
      json('.NetworkSettings.Ports', 'cargo'),
      ['port', 'cargo'],
      ['rm', 'cargo'],
    );
  });

  test('a container of the default network', async () => {
    await same(
      [
        'run',
        '-d',
        '--name',
        'dinghy',
        '-h',
        'dinghy',
        '-P',
        '--expose',
        '80',
        '--add-host',
        'a:10.1.1.1',
        '--add-host',
        'g:host-gateway',
        image,
        'sleep',
        '100000',
      ],
      json('.NetworkSettings.Networks', 'dinghy'),
      json('.NetworkSettings.Ports', 'dinghy'),
      [
        'inspect',
        '-f',
        '{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}} {{.NetworkSettings.MacAddress}}',
        'dinghy',
      ],
      ['ps', '--format', '{{.Names}} {{.Ports}} {{.Networks}}'],
      ['run', '--rm', '--network', 'container:dinghy', image, 'cat', '/etc/hosts'],
      [
        'run',
        '--rm',
        '--network',
        'container:dinghy',
        image,
        'sh',
        '-c',
        'ip -o -4 addr show scope global | cut -d: -f2',
      ],
      ['network', 'disconnect', 'bridge', 'dinghy'],
      json('.NetworkSettings.Ports', 'dinghy'),
      ['rm', '-f', 'dinghy'],
      ['create', '--name', 'ebb', '--network', 'one', image],
      ['network', 'connect', 'three', 'ebb'],
      json('.NetworkSettings.Networks', 'ebb'),
      ['rm', 'ebb'],
    );
  });

  test('what a container cannot have', async () => {
    await same(
      ['run', '-d', '--name', 'ferry', '-p', '8081:80', image, 'sleep', '100000'],
      ['run', '--name', 'gull', '-p', '8081:80', image, 'true'],
      ['rm', 'gull'],
      run('--network', 'nosuch'),
      run('--ip', '172.18.0.9', '--network', 'one'),
      run('--ip', '172.17.0.9'),
      run('--ip', '10.10.0.140', '--network', 'three'),
      run('--ip', '1.1.1', '--network', 'three'),
      run('--network', 'container:ferry', '-p', '80:80'),
      run('--network', 'container:ferry', '--hostname', 'x'),
      run('--network', 'container:ferry', '--dns', '1.1.1.1'),
      run('--network', 'container:ferry', '--add-host', 'a:1.1.1.1'),
      run('--network', 'container:nosuch'),
      run('--network', 'host', '-p', '80:80'),
      ['network', 'connect', 'nosuch', 'ferry'],
      ['network', 'connect', 'one', 'nosuch'],
      ['network', 'connect', 'host', 'ferry'],
      ['network', 'connect', 'none', 'ferry'],
      ['network', 'disconnect', 'one', 'ferry'],
      ['rm', '-f', 'ferry'],
      ['network', 'prune', '-f', '--filter', 'label=a'],
      ['network', 'ls', '--format', '{{.Name}}'],
    );
  });
});
