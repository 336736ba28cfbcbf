import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { startProcess } from '../support/managed-process.ts';
import { mountsUnder } from '../support/mounts.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { readmeCommands } from '../support/readme-commands.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const root = dirname(dirname(import.meta.dirname));

test('a newcomer who follows the README runs an image that they built and pushed', {
  skip: unlessRoot(),
}, async (t) => {
  const directory = await makeTempDir(t, 'readme');
  const socket = join(directory, 'agent.sock');
  const start = startProcess(t, process.execPath, [join(root, 'deploy/start.ts')], {
    endSignal: 'SIGINT',
    env: {
      BERTH_LISTEN: '127.0.0.1:0',
      BERTH_DATA: join(directory, 'registry'),
      BERTH_AGENT_SOCKET: socket,
      BERTH_AGENT_DATA: join(directory, 'agent'),
    },
  });
  const [, registry = ''] = await start.waitForLine(/Registry: http:\/\/(\S+)/);
  await start.waitForLine(/Ctrl-C stops/);
  const [, password = ''] = await start.waitForLine(/password {2}(\S+)/);
  assert.match(start.output(), new RegExp(`export DOCKER_HOST=unix://${socket}$`, 'm'));
  assert.match(start.output(), new RegExp(`docker build -t ${registry}/team/app:1 FOLDER$`, 'm'));

  const [block = ''] = await readmeCommands('First build, push and run');
  const commands = block
    .replaceAll('127.0.0.1:5000', registry)
    .replaceAll('/run/berth-agent.sock', socket)
    // Without a terminal the CLI takes the password from a pipe only.
    .replace('docker login -u admin', `echo ${password} | docker login --password-stdin -u admin`);
  const { stdout } = await runCommand('sh', ['-euc', commands], {
    cwd: directory,
    env: { DOCKER_CONFIG: join(directory, 'docker') },
  });
  assert.match(stdout, /^ashore$/m);

  const { code } = await start.end('SIGINT');
  assert.equal(code, 0, start.output());
  assert.deepEqual(await mountsUnder(runDirectory(join(directory, 'agent'))), [], 'a mount was left');
  assert.equal(start.output().split(password).length, 2, 'the password is printed once');
});

test('npm start shows the help that it is asked for, and nothing is wrong', async () => {
  const command = [join(root, 'deploy/start.ts'), '--help'];
  const { stdout, stderr } = await runCommand(process.execPath, command, { expectExit: 0 });
  assert.match(stdout, /--listen/);
  assert.equal(stderr, '');
});
