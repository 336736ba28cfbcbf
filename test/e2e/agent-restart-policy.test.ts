import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('restart policies', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const show = async (name: string, format: string) =>
    (await docker(['inspect', '-f', format, name])).stdout.trim();
  const start = (name: string, policy: string, script: string) =>
    docker(['run', '-d', '--name', name, '--restart', policy, image, 'sh', '-c', script]);
  const lines = async (name: string) => (await docker(['logs', name])).stdout.split('\n').length - 1;
  const remove = (...names: readonly string[]) => docker(['rm', '-f', ...names]);

  test('on-failure starts again as often as it says, counted by inspect', async () => {
    await start('failing', 'on-failure:3', 'echo run; exit 7');
    await untilPasses(async () => {
      assert.equal(
        await show('failing', '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}'),
        'exited 7 3',
      );
    });
    assert.equal(await lines('failing'), 4);
    // A client's start begins the count anew.
    await docker(['start', 'failing']);
    await untilPasses(async () => assert.equal(await lines('failing'), 8));
    await untilPasses(async () =>
      assert.equal(await show('failing', '{{.State.Status}} {{.RestartCount}}'), 'exited 3'),
    );
    await start('content', 'on-failure:3', 'echo run; exit 0');
    await untilPasses(async () => assert.equal(await show('content', '{{.State.Status}}'), 'exited'));
    assert.equal(await show('content', '{{.RestartCount}}'), '0');
    await remove('failing', 'content');
  });

  test('always starts again whatever the exit code, until it is stopped', async () => {
    await start('stubborn', 'always', 'echo run; exit 0');
    await untilPasses(async () => assert.ok((await lines('stubborn')) >= 3));
    await docker(['stop', '-t', '0', 'stubborn']);
    const [status, count] = (await show('stubborn', '{{.State.Status}} {{.RestartCount}}')).split(' ');
    assert.equal(status, 'exited');
    assert.ok(Number(count) >= 2, String(count));
    const before = await lines('stubborn');
    await docker(['run', '--rm', image, 'sleep', '2']);
    assert.equal(await lines('stubborn'), before);
    await remove('stubborn');
  });

  test('a container that waits for its restart says so, and can be stopped, killed and removed', async () => {
    await start('waiting', 'always', 'exit 5');
    // One look says it all: between two looks it may have been started again.
    await untilPasses(async () =>
      assert.match(
        await show(
          'waiting',
          '{{.State.Status}} {{.State.Running}} {{.State.Restarting}} {{.State.ExitCode}} {{.RestartCount}}',
        ),
        /^restarting true true 5 ([3-9]|\d\d)/,
      ),
    );
    await untilPasses(async () =>
      assert.match((await docker(['ps', '--format', '{{.Status}}'])).stdout, /^Restarting \(5\)/),
    );
    await docker(['kill', 'waiting'], { expectExit: 'any' });
    await untilPasses(async () => assert.equal(await show('waiting', '{{.State.Status}}'), 'exited'));
    await remove('waiting');
  });

  test('docker kill and stop end restarts, and a signal that is not for stopping does not', async () => {
    await start('killed', 'always', 'sleep 100000');
    await docker(['kill', 'killed']);
    assert.equal(
      await show('killed', '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}'),
      'exited 137 0',
    );
    await docker([
      'run',
      '-d',
      '--name',
      'signalled',
      '--restart',
      'always',
      image,
      'sh',
      '-c',
      'trap "exit 3" USR1; echo ready; while :; do sleep 0.1; done',
    ]);
    await untilPasses(async () => assert.equal(await lines('signalled'), 1));
    await docker(['kill', '-s', 'USR1', 'signalled']);
    await untilPasses(async () =>
      assert.equal(await show('signalled', '{{.State.Status}} {{.RestartCount}}'), 'running 1'),
    );
    await remove('killed', 'signalled');
  });

  test('after an agent restart: always starts even what was stopped, unless-stopped does not', async () => {
    const script = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.1; done';
    for (const policy of ['always', 'unless-stopped', 'on-failure', 'no']) {
      await start(`${policy}-stopped`, policy, script);
      await start(`${policy}-running`, policy, script);
      await untilPasses(async () => assert.equal(await lines(`${policy}-stopped`), 1));
      await docker(['stop', '-t', '120', `${policy}-stopped`]);
    }
    await agent.kill();
    await agent.restart();
    const statuses = async () => {
      const { stdout } = await docker(['ps', '-a', '--format', '{{.Names}} {{.State}}']);
      return stdout.trim().split('\n').sort();
    };
    await untilPasses(async () =>
      assert.deepEqual(await statuses(), [
        'always-running running',
        'always-stopped running',
        'no-running running',
        'no-stopped exited',
        'on-failure-running running',
        'on-failure-stopped exited',
        'unless-stopped-running running',
        'unless-stopped-stopped exited',
      ]),
    );
    const { stdout } = await docker(['ps', '-aq']);
    await remove(...stdout.trim().split('\n'));
  });

  test('what ended without an agent is started again by the next one', async (t) => {
    const folder = await makeTempDir(t, 'orphan');
    const script = 'echo run; while [ ! -e /told/go ]; do sleep 0.1; done; exit 2';
    const flags = ['--restart', 'unless-stopped', '-v', `${folder}:/told`];
    await docker(['run', '-d', '--name', 'orphan', ...flags, image, 'sh', '-c', script]);
    const pid = await show('orphan', '{{.State.Pid}}');
    await agent.kill();
    await writeFile(join(folder, 'go'), '');
    await waitUntil('it has ended', () => !existsSync(`/proc/${pid}`));
    await agent.restart();
    await untilPasses(async () => assert.ok((await lines('orphan')) >= 2));
    assert.ok(Number(await show('orphan', '{{.RestartCount}}')) >= 1);
    await remove('orphan');
  });
});
