import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log:
    | readonly {
        readonly ExitCode: number;
        readonly Output: string;
        readonly Start: string;
        readonly End: string;
      }[]
    | null;
}

describe('health checks', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const start = (name: string, flags: readonly string[], script = 'sleep 100000') =>
    docker([
      ...['run', '-d', '--name', name, '--health-interval=200ms', '--health-timeout=10m', ...flags],
      ...[image, 'sh', '-c', script],
    ]);
  const healthOf = async (name: string): Promise<Health> =>
    JSON.parse((await docker(['inspect', '-f', '{{json .State.Health}}', name])).stdout);
  const settles = (name: string, status: string) =>
    untilPasses(async () => assert.equal((await healthOf(name)).Status, status));
  const ps = async (name: string) =>
    (await docker(['ps', '--filter', `name=^${name}$`, '--format', '{{.Status}}'])).stdout.trim();
  const remove = (...names: readonly string[]) => docker(['rm', '-f', ...names]);

  test('a container is starting, healthy, unhealthy and healthy again', async () => {
    await start('changing', [
      '--health-cmd',
      'cat /state && test "$(cat /state)" = good',
      '--health-retries=2',
      '--health-start-period=1h',
      '--health-start-interval=200ms',
    ]);
    const first = await healthOf('changing');
    assert.equal(first.Status, 'starting');
    assert.match(await ps('changing'), /^Up .* \(health: starting\)$/);
    await docker(['exec', 'changing', 'sh', '-c', 'echo good > /state']);
    await settles('changing', 'healthy');
    assert.match(await ps('changing'), /^Up .* \(healthy\)$/);
    assert.deepEqual((await healthOf('changing')).Log?.at(-1)?.Output, 'good\n');
    await docker(['exec', 'changing', 'sh', '-c', 'echo bad > /state']);
    await settles('changing', 'unhealthy');
    assert.match(await ps('changing'), /^Up .* \(unhealthy\)$/);
    const ill = await healthOf('changing');
    assert.ok(ill.FailingStreak >= 2);
    assert.equal(ill.Log?.at(-1)?.ExitCode, 1);
    assert.match(
      (await docker(['ps', '--filter', 'health=unhealthy', '--format', '{{.Names}}'])).stdout,
      /^changing$/m,
    );
    await docker(['exec', 'changing', 'sh', '-c', 'echo good > /state']);
    await settles('changing', 'healthy');
    assert.equal((await healthOf('changing')).FailingStreak, 0);
    await docker(['stop', '-t', '0', 'changing']);
    // As dockerd has it for whatever is not looked at any more.
    assert.equal((await healthOf('changing')).Status, 'unhealthy');
    await remove('changing');
  });

  test('events tell of each probe and of each change', async () => {
    // Also what happens before its client is there.
    const since = String(Math.floor(Date.now() / 1000));
    const filters = ['--since', since, '--filter', 'container=told'];
    const events = agent.startDocker(['events', ...filters, '--format', '{{.Action}}']);
    // So seldom that the client's output is kept whole, however long it takes.
    await start('told', ['--health-cmd', 'test -e /ready', '--health-retries=1', '--health-interval=2s']);
    await settles('told', 'unhealthy');
    await docker(['exec', 'told', 'touch', '/ready']);
    await settles('told', 'healthy');
    await remove('told');
    await events.waitForLine(/^destroy$/m);
    await events.end('SIGINT');
    const lines = events.output().trim().split('\n');
    const changes = lines.filter((line) => line.startsWith('health_status'));
    assert.deepEqual(changes, ['health_status: unhealthy', 'health_status: healthy']);
    assert.ok(lines.includes('exec_create: /bin/sh -c test -e /ready'), lines.join('\n'));
    assert.ok(lines.includes('exec_start: /bin/sh -c test -e /ready'));
    assert.ok(lines.includes('exec_die'));
  });

  test('the last five probes are kept, with bounded output', async () => {
    await start('wordy', ['--health-cmd', 'yes 123456789 | head -c 10000; exit 3']);
    await untilPasses(async () => assert.equal((await healthOf('wordy')).Log?.length, 5));
    const { Log } = await healthOf('wordy');
    for (const { Output, ExitCode, Start, End } of Log ?? []) {
      assert.equal(Output.length, 4096 + '...'.length);
      assert.equal(ExitCode, 3);
      assert.ok(Date.parse(Start) <= Date.parse(End));
    }
    await remove('wordy');
  });

  test('a probe that hangs is killed at its timeout', async () => {
    await start('hanging', [
      '--health-cmd',
      'echo begun; sleep 543',
      '--health-timeout=500ms',
      '--health-retries=1',
    ]);
    await settles('hanging', 'unhealthy');
    const entry = (await healthOf('hanging')).Log?.[0];
    assert.equal(entry?.ExitCode, -1);
    assert.match(entry?.Output ?? '', /^Health check exceeded timeout \(500ms\)(: begun\n)?$/);
    await docker(['stop', '-t', '0', 'hanging']);
    await docker(['start', 'hanging']);
    // Of those that are over, none stays.
    await untilPasses(async () => {
      const { stdout } = await docker(['exec', 'hanging', 'ps']);
      assert.ok((stdout.match(/sleep 543/g)?.length ?? 0) <= 4, stdout);
    });
    await remove('hanging');
  });

  test('a probe that ignores SIGTERM does not outlive its timeout', async () => {
    await start('deaf', [
      '--health-cmd',
      'trap "" TERM; exec sleep 654',
      '--health-timeout=300ms',
      '--health-retries=4',
    ]);
    await settles('deaf', 'unhealthy');
    // Four have had their time; the one that may be under way is the fifth.
    await untilPasses(async () => {
      const { stdout } = await docker(['exec', 'deaf', 'ps']);
      assert.ok((stdout.match(/sleep 654/g)?.length ?? 0) <= 1, stdout);
    });
    await remove('deaf');
  });

  test('a command that is not there fails the check', async () => {
    const flags = ['--health-retries=1'];
    await docker(['create', '--name', 'shape', image]);
    await remove('shape');
    await start('missing', ['--health-cmd', 'nosuchcommand', ...flags]);
    await settles('missing', 'unhealthy');
    assert.equal((await healthOf('missing')).Log?.[0]?.ExitCode, 127);
    await remove('missing');
  });

  test('NONE and nothing mean that there is no health', async () => {
    await docker(['run', '-d', '--name', 'none', '--no-healthcheck', image, 'sleep', '100000']);
    await docker(['run', '-d', '--name', 'plain', image, 'sleep', '100000']);
    for (const name of ['none', 'plain']) {
      assert.equal(
        (await docker(['inspect', '-f', '{{json .State}}', name])).stdout.includes('Health'),
        false,
      );
      assert.doesNotMatch(await ps(name), /health/);
    }
    assert.equal(
      (await docker(['inspect', '-f', '{{json .Config.Healthcheck}}', 'none'])).stdout,
      '{"Test":["NONE"]}\n',
    );
    assert.match(
      (await docker(['ps', '--filter', 'health=none', '--format', '{{.Names}}'])).stdout,
      /^plain$/m,
    );
    await remove('none', 'plain');
  });

  test('an image brings a health check with it', async () => {
    await docker(['create', '--name', 'base', image]);
    const check = 'HEALTHCHECK --interval=200ms --retries=1 CMD test -e /well';
    await docker(['commit', '--change', check, 'base', 'checked:1']);
    await docker(['run', '-d', '--name', 'inherits', 'checked:1', 'sleep', '100000']);
    await settles('inherits', 'unhealthy');
    await docker([
      'run',
      '-d',
      '--name',
      'overrides',
      '--health-cmd',
      'true',
      'checked:1',
      'sleep',
      '100000',
    ]);
    await settles('overrides', 'healthy');
    await docker(['run', '-d', '--name', 'without', '--no-healthcheck', 'checked:1', 'sleep', '100000']);
    assert.doesNotMatch(await ps('without'), /health/);
    await remove('base', 'inherits', 'overrides', 'without');
    await docker(['rmi', 'checked:1']);
  });

  test('a paused container is not probed', async () => {
    await start('paused', ['--health-cmd', 'echo probe']);
    await settles('paused', 'healthy');
    await docker(['pause', 'paused']);
    let before: string | undefined;
    // A probe that was over by then may still be told of.
    await untilPasses(async () => {
      before = (await healthOf('paused')).Log?.at(-1)?.Start;
      await docker(['run', '--rm', image, 'sleep', '1']);
      assert.equal((await healthOf('paused')).Log?.at(-1)?.Start, before);
    });
    await docker(['unpause', 'paused']);
    await untilPasses(async () => assert.notEqual((await healthOf('paused')).Log?.at(-1)?.Start, before));
    await settles('paused', 'healthy');
    await remove('paused');
  });

  test('checks go on after the agent was killed and after a restart of the container', async () => {
    await start('lasting', ['--health-cmd', 'test ! -e /ill', '--health-retries=1']);
    await settles('lasting', 'healthy');
    await agent.kill();
    await agent.restart();
    assert.equal((await healthOf('lasting')).Status, 'healthy');
    await docker(['exec', 'lasting', 'touch', '/ill']);
    await settles('lasting', 'unhealthy');
    await docker(['exec', 'lasting', 'rm', '/ill']);
    await docker(['restart', '-t', '0', 'lasting']);
    await settles('lasting', 'healthy');
    await remove('lasting');
  });

  test('what makes no sense is refused', async () => {
    const { stderr } = await docker(['create', '--health-cmd', 'x', '--health-interval', '1us', image], {
      expectExit: 'any',
    });
    assert.match(stderr, /Interval in Healthcheck cannot be less than 1ms|less than/);
  });
});
