import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('the life of a container', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker, startDocker } = agent;
  const out = async (...args: string[]) => (await docker(args)).stdout;
  const state = (name: string, field: string) => out('inspect', '-f', `{{.State.${field}}}`, name);
  const LOOP = 'trap "echo bye; exit 4" TERM; echo up; while :; do sleep 0.1; done';
  const DEAF = 'trap "" TERM; echo up; while :; do sleep 0.1; done';

  test('run -d, ps, logs -f, stop, wait, ps -a, rm', async () => {
    const id = (
      await out('run', '-d', '--name', 'web', '--label', 'tier=front', image, 'sh', '-c', LOOP)
    ).trim();
    assert.match(id, /^[0-9a-f]{64}$/);
    const row = (
      await out('ps', '--format', '{{.ID}}|{{.Image}}|{{.Names}}|{{.Status}}|{{.State}}|{{.Labels}}')
    ).trim();
    assert.match(
      row,
      new RegExp(
        `^${id.slice(0, 12)}\\|${image}\\|web\\|Up (Less than a second|About a minute|\\d+ (second|minute)s?)\\|running\\|tier=front$`,
      ),
    );
    const follower = startDocker(['logs', '--follow', 'web']);
    const waiter = startDocker(['wait', 'web']);
    await follower.waitForLine(/up/);
    await docker(['stop', '-t', '120', 'web']);
    assert.equal((await follower.exited).code, 0);
    assert.match(follower.output(), /up\nbye\n/);
    assert.equal((await waiter.exited).code, 0);
    assert.equal(waiter.output(), '4\n');
    assert.equal(await out('wait', 'web'), '4\n');
    assert.equal(await out('ps', '-q'), '');
    assert.match(
      await out('ps', '-a', '--format', '{{.Status}}'),
      /^Exited \(4\) (Less than a second|About a minute|\d+ (second|minute)s?) ago\n$/,
    );
    assert.equal(await out('logs', '--tail', '1', 'web'), 'bye\n');
    assert.match(await out('logs', '--timestamps', 'web'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z up\n/);
    await docker(['rm', 'web']);
    assert.equal(await out('ps', '-aq'), '');
  });

  test('stop kills what does not listen, after its time', async () => {
    await docker(['run', '-d', '--name', 'deaf', image, 'sh', '-c', DEAF]);
    await waitUntil('it is up', async () => (await out('logs', 'deaf')) === 'up\n');
    await docker(['stop', '-t', '1', 'deaf']);
    assert.equal(await state('deaf', 'ExitCode'), '137\n');
    await docker(['rm', 'deaf']);
  });

  test('stop uses the signal of the container', async () => {
    const trap = 'trap "exit 9" USR1; echo up; while :; do sleep 0.1; done';
    await docker(['run', '-d', '--name', 'usr', '--stop-signal', 'USR1', image, 'sh', '-c', trap]);
    await waitUntil('it is up', async () => (await out('logs', 'usr')) === 'up\n');
    await docker(['stop', '-t', '120', 'usr']);
    assert.equal(await state('usr', 'ExitCode'), '9\n');
    await docker(['rm', 'usr']);
  });

  test('kill, start again, restart', async () => {
    await docker(['run', '-d', '--name', 'again', image, 'sh', '-c', LOOP]);
    await docker(['kill', 'again']);
    assert.equal(await out('wait', 'again'), '137\n');
    await docker(['start', 'again']);
    const first = await state('again', 'Pid');
    await docker(['restart', '-t', '1', 'again']);
    assert.equal(await state('again', 'Running'), 'true\n');
    assert.notEqual(await state('again', 'Pid'), first);
    await waitUntil('it listens to signals, and has ended', async () => {
      await docker(['kill', '--signal', 'TERM', 'again'], { expectExit: 'any' });
      return (await state('again', 'Running')) === 'false\n';
    });
    assert.equal(await out('wait', 'again'), '4\n');
    await docker(['rm', 'again']);
  });

  test('the writable layer lives as long as the container', async () => {
    await docker([
      'create',
      '--name',
      'layer',
      image,
      'sh',
      '-c',
      'cat /kept 2>/dev/null; echo more >> /kept',
    ]);
    for (const expected of ['', 'more\n', 'more\nmore\n']) {
      assert.equal(await out('start', '-a', 'layer'), expected);
    }
    await docker(['rm', 'layer']);
    await docker(['create', '--name', 'layer', image, 'cat', '/kept']);
    await docker(['start', '-a', 'layer'], { expectExit: 1 });
    await docker(['rm', 'layer']);
  });

  test('rm refuses what runs, rm -f does not', async () => {
    await docker(['run', '-d', '--name', 'busy', image, 'sleep', '100000']);
    const refused = await docker(['rm', 'busy'], { expectExit: 1 });
    assert.match(
      refused.stderr,
      /^Error response from daemon: cannot remove container "\/busy": container is running: stop the container before removing or force remove\n$/,
    );
    await docker(['rm', '-f', 'busy']);
    const gone = await docker(['rm', 'busy'], { expectExit: 1 });
    assert.equal(gone.stderr, 'Error response from daemon: No such container: busy\n');
  });

  test('names are taken once', async () => {
    await docker(['create', '--name', 'only', image]);
    const { stderr } = await docker(['create', '--name', 'only', image], { expectExit: 1 });
    assert.match(
      stderr,
      /Conflict\. The container name "\/only" is already in use by container "[0-9a-f]{64}"\. You have to remove \(or rename\) that container to be able to reuse that name\./,
    );
    await docker(['rm', 'only']);
  });

  test('ps filters', async () => {
    await docker(['create', '--name', 'first', '-l', 'a=1', image]);
    await docker(['run', '--name', 'second', '-l', 'a=2', image, 'false'], { expectExit: 1 });
    const names = async (...filters: string[]) =>
      (await out('ps', '-a', '--format', '{{.Names}}', ...filters.flatMap((filter) => ['-f', filter])))
        .split('\n')
        .filter(Boolean);
    assert.deepEqual(await names(), ['second', 'first']);
    assert.deepEqual(await names('name=fir'), ['first']);
    assert.deepEqual(await names('label=a'), ['second', 'first']);
    assert.deepEqual(await names('label=a=2'), ['second']);
    assert.deepEqual(await names('status=created'), ['first']);
    assert.deepEqual(await names('exited=1'), ['second']);
    assert.deepEqual(await names(`ancestor=${image}`), ['second', 'first']);
    assert.deepEqual(await names('before=second'), ['first']);
    assert.deepEqual(await names('since=first'), ['second']);
    const { stderr } = await docker(['ps', '-f', 'nokey=x'], { expectExit: 1 });
    assert.match(stderr, /invalid filter 'nokey'/);
    await docker(['rm', 'first', 'second']);
  });

  test('events tell the life in order, with labels', async () => {
    const since = String(Math.floor(Date.now() / 1000));
    const watcher = startDocker([
      'events',
      '--since',
      since,
      '--filter',
      'label=watched=1',
      '--format',
      '{{.Action}} {{.Actor.Attributes.name}}',
    ]);
    await docker(['run', '--rm', '--name', 'told', '-l', 'watched=1', image, 'true']);
    await watcher.waitForLine(/destroy told/);
    const order = watcher.output().split('\n').filter(Boolean);
    assert.deepEqual(
      order.filter((line) => !line.startsWith('attach')),
      ['create told', 'start told', 'die told', 'destroy told'],
    );
    const past = await out(
      'events',
      '--since',
      since,
      '--until',
      String(Math.ceil(Date.now() / 1000)),
      '-f',
      'container=told',
      '-f',
      'event=die',
      '--format',
      '{{json .}}',
    );
    const event = JSON.parse(past);
    assert.equal(event.Actor.Attributes.exitCode, '0');
    assert.equal(event.Actor.Attributes.image, image);
  });

  test('inspect says what was asked for and what came of it', async () => {
    await docker(
      [
        'run',
        '--name',
        'seen',
        '-m',
        '64m',
        '--cpus',
        '0.5',
        '--pids-limit',
        '50',
        '-e',
        'A=b',
        '--cap-drop',
        'MKNOD',
        image,
        'sh',
        '-c',
        'exit 3',
      ],
      { expectExit: 3 },
    );
    const [seen] = JSON.parse(await out('inspect', 'seen'));
    assert.equal(seen.Name, '/seen');
    assert.equal(seen.Path, 'sh');
    assert.deepEqual(seen.Args, ['-c', 'exit 3']);
    assert.equal(seen.State.Status, 'exited');
    assert.equal(seen.State.ExitCode, 3);
    assert.equal(seen.State.Pid, 0);
    assert.match(seen.State.StartedAt, /^20\d\d-.*Z$/);
    assert.equal(seen.Config.Hostname, seen.Id.slice(0, 12));
    assert.equal(seen.Config.Image, image);
    assert.ok(seen.Config.Env.includes('A=b'));
    assert.ok(seen.Config.Env.some((entry: string) => entry.startsWith('PATH=')));
    assert.equal(seen.HostConfig.Memory, 64 << 20);
    assert.equal(seen.HostConfig.MemorySwap, 128 << 20);
    assert.equal(seen.HostConfig.NanoCpus, 500_000_000);
    assert.equal(seen.HostConfig.PidsLimit, 50);
    assert.deepEqual(seen.HostConfig.CapDrop, ['MKNOD']);
    assert.equal(seen.HostConfig.NetworkMode, 'bridge');
    assert.equal(seen.HostConfig.IpcMode, 'private');
    assert.equal(seen.HostConfig.ShmSize, 67108864);
    assert.ok(seen.HostConfig.MaskedPaths.includes('/proc/kcore'));
    assert.equal(seen.LogPath.endsWith('.log'), true);
    await docker(['rm', 'seen']);
    const { stderr } = await docker(['inspect', 'seen'], { expectExit: 1 });
    assert.match(stderr, /No such object: seen/);
  });

  test('a restart policy starts a container again', async () => {
    await docker([
      'run',
      '-d',
      '--name',
      'tries',
      '--restart',
      'on-failure:2',
      image,
      'sh',
      '-c',
      'echo try; exit 1',
    ]);
    await waitUntil('it was tried thrice', async () => (await out('logs', 'tries')) === 'try\ntry\ntry\n');
    await waitUntil('it is given up', async () => (await state('tries', 'Status')) === 'exited\n');
    await docker(['rm', 'tries']);
  });
});
