import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { agentMounts, removeRunDirectory, startAgent } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { defer } from '../support/cleanup.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const options = { skip: unlessRoot(), timeout: 3_600_000 };

test('containers outlive a killed agent: logs, stop and wait work after the restart', options, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  const { docker } = agent;
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const loop = 'trap "echo bye; exit 4" TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done';
  await docker(['run', '-d', '--name', 'one', image, 'sh', '-c', loop]);
  await docker([
    'run',
    '-d',
    '--name',
    'two',
    image,
    'sh',
    '-c',
    'trap "exit 6" USR1; echo ready; while :; do sleep 0.1; done',
  ]);
  await docker(['create', '--name', 'three', image, 'true']);
  await untilPasses(async () => assert.equal(await out('logs', 'two'), 'ready\n'));
  const pids = await out('inspect', '-f', '{{.State.Pid}}', 'one', 'two');
  const mounts = await agentMounts(agent);
  assert.ok(mounts.length > 0);

  await agent.kill();
  for (const pid of pids.trim().split('\n')) await access(`/proc/${pid}`);
  await agent.restart();

  assert.equal(await out('inspect', '-f', '{{.State.Pid}}', 'one', 'two'), pids);
  assert.deepEqual([...(await agentMounts(agent))].sort(), [...mounts].sort());
  const follower = agent.startDocker(['logs', '--follow', 'one']);
  await follower.waitForLine(/line 0\n(line \d+\n)*line 30\n/);
  const waiting = out('wait', 'two');
  await docker(['kill', '--signal', 'USR1', 'two']);
  assert.equal(await waiting, '6\n');
  await docker(['stop', '-t', '120', 'one']);
  assert.equal((await follower.exited).code, 0);
  assert.match(follower.output(), /\nbye\n$/);
  assert.equal(await out('wait', 'one'), '4\n');
  assert.match(
    await out('ps', '-a', '--format', '{{.Names}} {{.Status}}'),
    /^three Created\ntwo Exited \(6\).*\none Exited \(4\)/,
  );
  assert.equal(await out('start', '-a', 'three'), '');
  await docker(['rm', 'one', 'two', 'three']);
});

test('a container that ended while no agent ran is found ended', options, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  const folder = await makeTempDir(t, 'told');
  const script = 'while [ ! -e /told/go ]; do sleep 0.1; done; exit 9';
  const run = (...flags: readonly string[]) =>
    agent.docker(['run', '-d', '-v', `${folder}:/told`, ...flags, image, 'sh', '-c', script]);
  await run('--name', 'alone');
  await run('--rm', '--name', 'forgotten');
  const shown = await agent.docker(['inspect', '-f', '{{.Id}} {{.State.Pid}}', 'alone', 'forgotten']);
  const containers = shown.stdout.trim().split('\n');
  await agent.kill();
  await writeFile(join(folder, 'go'), '');
  for (const [id = '', pid = ''] of containers.map((line) => line.split(' '))) {
    await waitUntil('it has ended, and conmon has noted how', () => {
      return !existsSync(`/proc/${pid}`) && existsSync(join(runDirectory(agent.dataDir), 'exits', id));
    });
  }
  await agent.restart();
  assert.equal((await agent.docker(['wait', 'alone'])).stdout, '9\n');
  await untilPasses(async () => {
    await agent.docker(['inspect', 'forgotten'], { expectExit: 1 });
  });
  await agent.docker(['rm', 'alone']);
});

test('SIGTERM stops the agent with 0, ends streams, and leaves containers alone', options, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  await agent.docker(['run', '-d', '--name', 'goes-on', image, 'sleep', '100000']);
  const pid = (await agent.docker(['inspect', '-f', '{{.State.Pid}}', 'goes-on'])).stdout.trim();
  const follower = agent.startDocker(['logs', '--follow', 'goes-on']);
  const events = agent.startDocker(['events']);
  await agent.stop();
  await Promise.all([follower.exited, events.exited]);
  await access(`/proc/${pid}`);
  await assert.rejects(access(agent.socket), { code: 'ENOENT' });
  await agent.restart();
  assert.equal((await agent.docker(['inspect', '-f', '{{.State.Running}}', 'goes-on'])).stdout, 'true\n');
  await agent.docker(['rm', '-f', 'goes-on']);
});

test('nothing is left of containers that are removed', options, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  for (let count = 0; count < 3; count += 1) await agent.docker(['run', '--rm', image, 'true']);
  assert.deepEqual(await readdir(join(agent.dataDir, 'containers')), []);
  // The room of a removed container is freed behind its removal.
  await untilPasses(async () => {
    const mounts = await agentMounts(agent);
    assert.ok(!mounts.some((point) => point.includes('/snapshots/')), mounts.join('\n'));
    assert.deepEqual(await readdir(join(agent.dataDir, 'snapshots')), []);
  });
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  assert.ok(!table.includes(agent.dataDir), 'the host sees none of the mounts');
});

test(
  'what the agent compiled before it re-executed itself is kept for the next start',
  options,
  async (t) => {
    const cache = await makeTempDir(t, 'compile-cache');
    const agent = await startAgent(t, { enter: ['env', `NODE_COMPILE_CACHE=${cache}`] });
    // Ended so, the process itself keeps nothing.
    await agent.kill();
    const kept = (await readdir(cache, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    assert.ok(kept.length > 5, `${kept.length} files are kept`);
  },
);

describe('the command line', options, () => {
  const agentCommand = (args: readonly string[], settings = {}) =>
    runCommand(process.execPath, [AGENT_PROGRAM, ...args], { expectExit: 'any', ...settings });

  test('a second agent on the same data or socket is refused with 2', async (t) => {
    const { agent } = await startAgentWithImage(t);
    const other = join(await makeTempDir(t, 'other'), 'data');
    defer(t, () => removeRunDirectory(other));
    const sameData = await agentCommand(['serve', '--socket', `${agent.socket}2`, '--data', agent.dataDir]);
    assert.equal(sameData.exitCode, 2, sameData.stderr);
    assert.match(
      sameData.stderr,
      /^berth-agent: the data folder .* is in use by another berth-agent: .*\.\n$/,
    );
    const sameSocket = await agentCommand(['serve', '--socket', agent.socket, '--data', other]);
    assert.equal(sameSocket.exitCode, 2, sameSocket.stderr);
    assert.match(sameSocket.stderr, /^berth-agent: another program answers on .*\.\n$/);
    assert.equal((await agent.docker(['ps', '-q'])).stdout, '');
  });

  test('wrong options are one sentence and 2', async () => {
    for (const [args, message] of [
      [[], /no command was given/],
      [['sail'], /there is no command "sail"/],
      [['serve', '--nosuch'], /the option "--nosuch" is not known/],
      [['serve', '--insecure-registry', 'http://x'], /is not a registry host/],
      [['serve', '--socket', `/${'x'.repeat(120)}`], /longer than the 107 bytes/],
      [['serve', '--data', '/proc/nosuch/data'], /the data folder .* cannot be used/],
      [['serve', '--config', '/nosuch.json'], /cannot be read/],
    ] as const) {
      const { exitCode, stderr } = await agentCommand(args);
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, message);
      assert.match(stderr, /^berth-agent: [^\n]*\n$/);
    }
  });

  test('an ordinary user and a host without the programs are told what is needed', async () => {
    const nobody = await runCommand(
      'setpriv',
      [
        ...['--reuid', '65534', '--clear-groups'],
        // The checkout may lie where nobody else can read.
        ...['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'],
        ...[process.execPath, AGENT_PROGRAM, 'serve'],
      ],
      {
        expectExit: 'any',
      },
    );
    assert.equal(nobody.exitCode, 2, nobody.stderr);
    assert.match(nobody.stderr, /the agent needs root/);
    const bare = await agentCommand(['serve'], { env: { PATH: '/nosuch' } });
    assert.equal(bare.exitCode, 2, bare.stderr);
    assert.match(bare.stderr, /conmon is not installed: run "apt-get install conmon"/);
  });

  test('--help and --version', async () => {
    assert.match((await agentCommand(['--help'])).stdout, /--insecure-registry HOST:PORT/);
    assert.match((await agentCommand(['--version'])).stdout, /^berth-agent \d+\.\d+\.\d+\n$/);
  });
});

test('a socket that a dead agent left is replaced; only root may use it', options, async (t) => {
  const { agent } = await startAgentWithImage(t);
  await agent.kill();
  await access(agent.socket);
  await agent.restart();
  const { stdout } = await runCommand('stat', ['-c', '%a %U', agent.socket]);
  assert.equal(stdout, '600 root\n');
  await access(runDirectory(agent.dataDir));
});
