import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

describe('links between containers, beside dockerd', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after }, { network: 'own' });
  await loadIntoDocker({ after }, dockerd, await makeBusyboxImage(await imageFolder({ after })), image);

  const OWN_ADDRESS = {
    reason: 'an address that was given back rests for a while',
    pattern: /172\.17\.0\.\d+\t[0-9a-f]{12}$/gm,
    by: 'OWN',
  };
  const { same } = besideDockerd(agent, dockerd, [OWN_ADDRESS]);
  const SLEEP = [image, 'sleep', '100000'];
  const VARIABLES = 'env | grep -E "^(DB|OTHER)_" | sort';
  // The order of the lines is not told anywhere.
  const HOSTS = 'grep -v -E "localhost|^f[ef]0|ip6" /etc/hosts | sort';

  test('on the default network: /etc/hosts, variables, inspect and names', async () => {
    const printed = await same(
      [
        ...['run', '-d', '--name', 'db', '--hostname', 'dbhost', '-e', 'A=b=c', '-e', 'HOME=/x'],
        ...['--expose', '5432', '--expose', '80-82', '--expose', '53/udp', ...SLEEP],
      ],
      ['run', '-d', '--name', 'web', '--link', 'db', '--link', 'db:other-db', '-e', 'DB_NAME=own', ...SLEEP],
      ['exec', 'web', 'sh', '-c', HOSTS],
      ['exec', 'web', 'sh', '-c', VARIABLES],
      ['run', '--rm', '--name', 'seer', '--link', 'db:db', image, 'sh', '-c', VARIABLES],
      ['run', '--rm', '--link', 'db:db', image, 'sh', '-c', HOSTS],
      ['ps', '--no-trunc', '--format', '{{.Names}}', '-f', 'name=web'],
      ['inspect', '-f', '{{json .NetworkSettings.Networks.bridge.Links}}', 'web'],
      ['create', '--name', 'one', '--link', '/db:/elsewhere/alias', image, 'sh', '-c', HOSTS],
      ['inspect', '-f', '{{json .HostConfig.Links}}', 'one'],
      ['start', '-a', 'one'],
      ['rename', 'db', 'renamed'],
      ['inspect', '-f', '{{json .HostConfig.Links}}', 'one'],
      ['rename', 'renamed', 'db'],
      ['rm', 'one'],
    );
    assert.match(printed.join('\n'), /\tother-db dbhost db\n/);
    for (const { docker } of [agent, dockerd]) {
      const { stdout } = await docker(['inspect', '-f', '{{json .HostConfig.Links}}', 'web']);
      assert.deepEqual((JSON.parse(stdout) as string[]).sort(), ['/db:/web/db', '/db:/web/other-db']);
    }
  });

  test('a container that is started again keeps its names for those linked to it', async () => {
    const reach = ['exec', 'web', 'sh', '-c', 'nc -w 60 other-db 80'];
    // It may lose a client that closes its own side before it has written.
    const serve = ['exec', '-d', 'db', 'sh', '-c', 'while :; do echo here | nc -l -p 80; done'];
    for (const { docker } of [agent, dockerd]) {
      await docker(serve);
      // Refused until it listens.
      await untilPasses(async () => assert.equal((await docker(reach)).stdout, 'here\n'));
      await docker(['stop', '-t', '0', 'db']);
      // Another one takes the address that it had.
      await docker(['run', '-d', '--name', 'squatter', ...SLEEP]);
      await docker(['start', 'db']);
      const address = (await docker(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'db'])).stdout.trim();
      const { stdout } = await docker(['exec', 'web', 'grep', 'db', '/etc/hosts']);
      assert.deepEqual(
        stdout
          .split('\n')
          .filter((line) => / (db|dbhost)$/.test(line))
          .sort(),
        [`${address}\tdb dbhost`, `${address}\tother-db dbhost db`],
      );
      await docker(['rm', '-f', 'squatter']);
    }
  });

  test('a link is taken away, and with it its name', async () => {
    const LINKED = 'cut -f2 /etc/hosts | grep dbhost';
    await same(
      ['run', '-d', '--name', 'two', '--link', 'db:first', '--link', 'db:second', ...SLEEP],
      ['rm', '--link', 'two/first'],
      ['exec', 'two', 'sh', '-c', LINKED],
      ['exec', 'two', 'sh', '-c', 'env | grep -c "^FIRST_NAME="'],
      ['inspect', '-f', '{{json .HostConfig.Links}}', 'two'],
      ['ps', '--no-trunc', '--format', '{{.Names}}', '-f', 'name=two'],
      ['rm', '--link', 'two/first'],
      ['rm', '--link', 'two/nosuch'],
      ['rm', '--link', 'nosuch/first'],
      ['rm', '--link', 'nosuch'],
      ['rm', '--link', 'two'],
      ['rm', '--link', '/two/second'],
      ['inspect', '-f', '{{json .HostConfig.Links}}', 'two'],
      ['restart', '-t', '0', 'two'],
      ['exec', 'two', 'sh', '-c', LINKED],
      ['exec', 'two', 'sh', '-c', 'env | grep -c _NAME='],
      ['rm', '-f', 'two'],
    );
  });

  test('what cannot be linked', async () => {
    await same(
      ['create', '--link', 'nosuch:x', image],
      ['create', '--link', 'db:x:y', image],
      ['create', '--link', '', image],
      ['create', '--network', 'host', '--link', 'db', image],
      ['create', '--network', 'container:db', '--link', 'db', image],
      ['create', '--name', 'shared', '--network', 'host', image],
      ['create', '--link', 'shared', image],
      ['rm', 'shared'],
      ['create', '--name', 'idle', image],
      ['run', '--name', 'waits', '--link', 'idle', image, 'true'],
      ['inspect', '-f', '{{.State.Status}}', 'waits'],
      ['rm', 'waits', 'idle'],
      ['network', 'create', 'apart'],
      ['run', '-d', '--name', 'there', '--network', 'apart', ...SLEEP],
      ['run', '--name', 'waits', '--link', 'there', image, 'true'],
      ['rm', '-f', 'waits', 'there'],
      ['rm', '-f', 'web', 'db'],
      ['network', 'rm', 'apart'],
    );
  });

  test('on a network of their own: a name that one container alone has for another', async () => {
    const address = 'timeout 20 nslookup "$0" | grep -c "^Address.*172\\."';
    await same(
      ['network', 'create', 'sea'],
      ['network', 'create', 'lake'],
      ['run', '-d', '--name', 'db', '--network', 'sea', ...SLEEP],
      [
        'run',
        '-d',
        '--name',
        'web',
        '--network',
        'sea',
        '--link',
        'db:store',
        '--link',
        'later:soon',
        ...SLEEP,
      ],
      ['inspect', '-f', '{{json .HostConfig.Links}} {{json .NetworkSettings.Networks.sea.Links}}', 'web'],
      ['exec', 'web', 'sh', '-c', address, 'store'],
      ['exec', 'web', 'sh', '-c', 'env | grep -ci store'],
      ['exec', 'db', 'sh', '-c', address, 'store'],
      ['exec', 'web', 'sh', '-c', address, 'soon'],
      ['run', '-d', '--name', 'later', '--network', 'sea', ...SLEEP],
      ['exec', 'web', 'sh', '-c', address, 'soon'],
      ['network', 'connect', 'lake', 'db'],
      ['network', 'connect', '--link', 'db:pond', 'lake', 'web'],
      ['inspect', '-f', '{{json .NetworkSettings.Networks.lake.Links}}', 'web'],
      ['exec', 'web', 'sh', '-c', address, 'pond'],
      ['network', 'disconnect', 'lake', 'web'],
      ['exec', 'web', 'sh', '-c', address, 'pond'],
    );
    await agent.restart();
    const { stdout } = await agent.docker(['exec', 'web', 'nslookup', 'store']);
    assert.match(stdout, /172\./, 'links outlive the agent');
    await same(['rm', '-f', 'web', 'db', 'later'], ['network', 'rm', 'sea', 'lake']);
  });

  test('compose: links and external_links', async () => {
    const folder = join(await makeTempDir({ after }, 'links'), 'app');
    await mkdir(folder);
    await agent.docker(['network', 'create', 'outside']);
    await agent.docker(['run', '-d', '--name', 'stranger', '--network', 'outside', ...SLEEP]);
    await writeFile(
      join(folder, 'compose.yaml'),
      `services:
  db:
    image: ${image}
    command: sleep 100000
    networks: [inside]
  web:
    image: ${image}
    command: sleep 100000
    links: ['db:store', 'db']
    external_links: ['stranger:guest']
    networks: [inside, outside]
  old:
    image: ${image}
    command: sleep 100000
    network_mode: bridge
    external_links: ['plain:friend']
networks:
  inside:
  outside:
    external: true
`,
    );
    await agent.docker(['run', '-d', '--name', 'plain', ...SLEEP]);
    const compose = (...args: readonly string[]) =>
      agent.docker(['compose', '--project-directory', folder, ...args]);
    await compose('up', '--detach');
    for (const name of ['store', 'db', 'app-db-1', 'guest']) {
      const { stdout } = await compose('exec', '-T', 'web', 'nslookup', name);
      assert.match(stdout, /Address.*172\./, name);
    }
    const friend = await compose('exec', '-T', 'old', 'grep', 'friend', '/etc/hosts');
    assert.match(friend.stdout, /^172\..*\tfriend \S+ plain\n$/);
    const again = await compose('up', '--detach');
    assert.doesNotMatch(again.stderr, /Recreate|Started/);
    await compose('down', '--volumes');
    await agent.docker(['rm', '-f', 'stranger', 'plain']);
    await agent.docker(['network', 'rm', 'outside']);
  });
});
