import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

test('the commands of a primer on Docker, one after the other', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async (t) => {
  const { agent, image, registry } = await startAgentWithImage(t);
  const run = async (...args: readonly string[]) => (await agent.docker(args)).stdout;
  const refused = async (...args: readonly string[]) => (await agent.docker(args, { expectExit: 1 })).stderr;

  assert.match(await run('version'), /Server:[\s\S]*Version:/);
  await run('rmi', image);
  assert.match(await run('image', 'ls'), /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n$/);
  assert.match(
    await run('container', 'ls'),
    /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n$/,
  );
  assert.equal(await run('ps', '--quiet'), '');
  assert.match(await run('search', `${registry.host}/team`), /^NAME +DESCRIPTION[^\n]*\n.*team\/busybox/);
  assert.match(await run('pull', image), /Status: Downloaded newer image for /);
  assert.match(await run('pull', image), /Status: Image is up to date for /);

  assert.equal(await run('run', '--rm', image, 'echo', 'hello'), 'hello\n');
  const id = (await run('run', '--detach', '--name', 'box', image, 'sleep', '100000')).trim();
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.match(await run('ps'), new RegExp(`^${id.slice(0, 12)} .* Up .* box$`, 'm'));
  assert.equal(await run('pause', 'box'), 'box\n');
  assert.match(await run('ps', '--format', '{{.Status}}'), /\(Paused\)/);
  assert.equal(await run('unpause', 'box'), 'box\n');
  assert.equal(await run('stop', '--time', '1', 'box'), 'box\n');
  assert.equal(await run('ps', '--quiet'), '');
  assert.match(await run('ps', '--all', '--format', '{{.Names}} {{.Status}}'), /^box Exited \(137\)/);
  assert.equal(await run('start', 'box'), 'box\n');

  assert.match(await refused('rmi', image), /conflict: unable to remove repository reference .*must force/);
  const imageId = (await run('images', '--quiet', image)).trim();
  assert.match(
    await refused('rmi', imageId),
    /conflict: unable to delete .*image is being used by running container/,
  );
  assert.match(
    await refused('rm', 'box'),
    /cannot remove container .*: container is running: stop the container before removing or force remove/,
  );
  await run('stop', '--time', '0', 'box');
  assert.match(
    await refused('rmi', imageId),
    /conflict: unable to delete .*image is being used by stopped container/,
  );
  assert.equal(await run('rm', 'box'), 'box\n');
  await run('tag', image, 'second:1');
  assert.equal(await run('rmi', 'second:1'), 'Untagged: second:1\n');
  await run('tag', image, 'second:1');
  assert.match(await refused('rmi', imageId), /must be forced.*image is referenced in multiple repositories/);

  assert.equal(await run('image', 'prune', '--force'), 'Total reclaimed space: 0B\n');
  await run('run', '--name', 'user', image, 'true');
  await run('image', 'prune', '--all', '--force');
  assert.equal((await run('images', '--quiet', image)).trim(), imageId, 'a container uses it');
  await run('rm', 'user');
  assert.match(
    await run('image', 'prune', '--all', '--force'),
    /untagged: second:1[\s\S]*deleted: sha256:[\s\S]*Total reclaimed space: [^0]/,
  );
  assert.equal(await run('images', '--quiet'), '');
  await run('pull', '--quiet', image);

  assert.equal(await run('volume', 'create', 'vol'), 'vol\n');
  assert.match(await run('volume', 'ls'), /^local +vol$/m);
  assert.match(await run('volume', 'inspect', 'vol'), /"Mountpoint": "\/.*\/volumes\/vol\/_data"/);
  await run('run', '--rm', '--volume', 'vol:/v', image, 'sh', '-c', 'echo kept > /v/file');
  const read = await run('run', '--rm', '--mount', 'type=volume,src=vol,dst=/v,ro', image, 'cat', '/v/file');
  assert.equal(read, 'kept\n');
  await run('create', '--name', 'holder', '--volume', 'vol:/v', image);
  assert.match(await refused('volume', 'rm', 'vol'), /volume is in use - \[[0-9a-f]{64}\]/);
  await run('rm', 'holder');
  assert.equal(await run('volume', 'rm', 'vol'), 'vol\n');
  const folder = await makeTempDir(t, 'primer');
  await writeFile(join(folder, 'file'), 'of the host\n');
  assert.equal(
    await run('run', '--rm', '--volume', `${folder}:/host:ro`, image, 'cat', '/host/file'),
    'of the host\n',
  );

  const project = join(folder, 'shop');
  await mkdir(project);
  await writeFile(
    join(project, 'compose.yaml'),
    `services:\n  web:\n    image: ${image}\n    command: [sleep, "100000"]\n    volumes: ["data:/data"]\nvolumes:\n  data: {}\n`,
  );
  const compose = (...args: readonly string[]) =>
    runCommand('docker', ['compose', '--progress', 'plain', ...args], {
      cwd: project,
      env: { DOCKER_HOST: agent.host, DOCKER_CONFIG: folder },
    });
  await compose('up', '--detach');
  assert.match((await compose('ps', '--format', '{{.Name}} {{.State}}')).stdout, /^shop-web-1 running/);
  await compose('down', '--volumes', '--timeout', '0');
  assert.equal(await run('ps', '--all', '--quiet'), '');
  assert.equal(await run('volume', 'ls', '--quiet'), '');
  assert.doesNotMatch(await run('network', 'ls'), /shop/);
});
