import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const options = { skip: unlessRoot(), timeout: 900_000 };

describe('logs', options, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker, startDocker } = agent;
  const idOf = async (name: string) => (await docker(['inspect', '-f', '{{.Id}}', name])).stdout.trim();
  const logFiles = async (name: string) => {
    const folder = join(agent.dataDir, 'containers', await idOf(name));
    const names = (await readdir(folder)).filter((file) => file.startsWith('container.log')).sort();
    return Promise.all(names.map(async (file) => ({ file, size: (await stat(join(folder, file))).size })));
  };
  /** Writes numbered lines, with a pause after every hundred: conmon begins anew when an agent comes far too late. */
  const counting = (count: number, pause = 0.02) =>
    `i=0; while [ $i -lt ${count} ]; do echo line $i of many; i=$((i+1)); [ $((i % 100)) = 0 ] && sleep ${pause}; done; echo end`;
  /** Waits for `go`. */
  const READY = 'echo ready; while [ ! -e /go ]; do sleep 0.1; done';
  const go = (name: string) => docker(['exec', name, 'touch', '/go']);
  const numbers = (text: string) =>
    text
      .split('\n')
      .flatMap((line) => /^line (\d+) /.exec(line)?.[1] ?? [])
      .map(Number);

  test('a log with max-size and max-file is rotated and stays bounded', async () => {
    const flags = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=3'];
    await docker(['run', '--name', 'rotated', ...flags, image, 'sh', '-c', counting(3000)]);
    const files = await logFiles('rotated');
    assert.deepEqual(
      files.map(({ file }) => file),
      ['container.log', 'container.log.1', 'container.log.2'],
    );
    for (const { size } of files) assert.ok(size < 60_000, JSON.stringify(files));
    const shown = (await docker(['logs', 'rotated'])).stdout;
    const kept = numbers(shown);
    assert.match(shown, /\nend\n$/);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, index) => 3000 - kept.length + index),
    );
    assert.ok(kept.length > 300, `${kept.length} lines were kept`);
    assert.equal((await docker(['logs', '-n', '250', 'rotated'])).stdout.split('\n').length, 251);
    await docker(['rm', 'rotated']);
  });

  test('rotated files are compressed, and read as the others', async () => {
    const flags = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=8', '--log-opt', 'compress=true'];
    const script = `${READY}; ${counting(3000, 0.2)}; sleep 600`;
    await docker(['run', '-d', '--name', 'packed', ...flags, image, 'sh', '-c', script]);
    // It reads on while what it has read, and what comes, is compressed.
    const follower = startDocker(['logs', '-f', 'packed']);
    await follower.waitForLine(/^ready$/m);
    await go('packed');
    await follower.waitForLine(/^end$/m);
    assert.deepEqual(
      numbers(follower.output()),
      Array.from({ length: 3000 }, (_, index) => index),
    );
    await untilPasses(async () => {
      const files = await logFiles('packed');
      const plain = files.filter(({ file }) => !file.endsWith('.gz')).map(({ file }) => file);
      assert.deepEqual(plain, ['container.log']);
      assert.ok(files.length > 4, JSON.stringify(files));
      for (const { file, size } of files) if (file.endsWith('.gz')) assert.ok(size < 10_000, file);
    });
    await follower.end('SIGTERM');
    const kept = numbers((await docker(['logs', 'packed'])).stdout);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, index) => 3000 - kept.length + index),
    );
    assert.ok(kept.length > 1000, `${kept.length} lines were kept`);
    const tail = (await docker(['logs', '-n', '900', 'packed'])).stdout;
    assert.deepEqual(numbers(tail).length, 899);
    await agent.kill();
    await agent.restart();
    assert.equal((await docker(['logs', '-n', '900', 'packed'])).stdout, tail);
    await docker(['rm', '-f', 'packed']);
  });

  test('what was not compressed when a container ended is compressed after that', async () => {
    const flags = ['--log-driver', 'local', '--log-opt', 'max-size=20k'];
    await docker(['run', '--name', 'brief', ...flags, image, 'sh', '-c', counting(2000)]);
    await untilPasses(async () => {
      const names = (await logFiles('brief')).map(({ file }) => file);
      assert.ok(names.includes('container.log.1.gz'), names.join(' '));
      assert.ok(
        names.every((name) => name === 'container.log' || name.endsWith('.gz')),
        names.join(' '),
      );
    });
    await docker(['rm', 'brief']);
  });

  test('logs --follow goes on over rotations and ends with the container', async () => {
    const flags = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=50'];
    await docker(['run', '-d', '--name', 'followed', ...flags, image, 'sh', '-c', counting(2000, 0.2)]);
    const { stdout } = await docker(['logs', '-f', 'followed']);
    assert.deepEqual(
      numbers(stdout),
      Array.from({ length: 2000 }, (_, index) => index),
    );
    assert.ok((await logFiles('followed')).length > 3);
    await docker(['rm', 'followed']);
  });

  test('a log of one file begins anew, with an agent or without one', async () => {
    await docker(['run', '--name', 'single', '--log-opt', 'max-size=10k', image, 'sh', '-c', counting(2000)]);
    const [only, ...rest] = await logFiles('single');
    assert.deepEqual(rest, []);
    assert.ok((only?.size ?? 0) < 20_000);
    assert.match((await docker(['logs', 'single'])).stdout, /line 1999 of many\nend\n$/);
    await docker(['rm', 'single']);
  });

  test('rotation goes on after the agent was killed', async () => {
    const flags = ['--log-opt', 'max-size=10k', '--log-opt', 'max-file=3'];
    const script = `${READY}; ${counting(1500)}; sleep 600`;
    await docker(['run', '-d', '--name', 'survivor', ...flags, image, 'sh', '-c', script]);
    await agent.kill();
    await agent.restart();
    await go('survivor');
    const follow = agent.startDocker(['logs', '-f', 'survivor']);
    await follow.waitForLine(/^end$/m);
    // The newest is away for a moment while it is rotated.
    const names = (await logFiles('survivor')).map(({ file }) => file);
    assert.ok(names.includes('container.log.1'), names.join(' '));
    await docker(['rm', '-f', 'survivor']);
  });

  test('a container that writes without end fills neither disk nor memory', async () => {
    const flags = ['--log-opt', 'max-size=1m', '--log-opt', 'max-file=2'];
    const script = 'yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 50000000; echo end';
    await docker(['run', '-d', '--name', 'flood', ...flags, image, 'sh', '-c', script]);
    await docker(['wait', 'flood']);
    const files = await logFiles('flood');
    const size = files.reduce((sum, file) => sum + file.size, 0);
    // Two files of a megabyte; conmon begins one anew at twice that and one more, when the agent is late.
    assert.ok(size < 7_000_000, JSON.stringify(files));
    await docker(['rm', 'flood']);
  });

  test('none keeps nothing, local is kept in files', async () => {
    await docker(['run', '--name', 'none', '--log-driver', 'none', image, 'echo', 'x']);
    const { stderr } = await docker(['logs', 'none'], { expectExit: 1 });
    assert.match(stderr, /configured logging driver does not support reading/);
    await docker([
      'run',
      '--name',
      'local',
      '--log-driver',
      'local',
      '--log-opt',
      'max-file=2',
      image,
      'echo',
      'x',
    ]);
    assert.equal((await docker(['logs', 'local'])).stdout, 'x\n');
    const shown = await docker(['inspect', '-f', '{{json .HostConfig.LogConfig}}', 'local']);
    assert.deepEqual(JSON.parse(shown.stdout), { Type: 'local', Config: { 'max-file': '2' } });
    await docker(['rm', 'none', 'local']);
  });
});

test('logs beside dockerd: tail, details, times, streams, drivers', options, async (t) => {
  const { agent, image } = await startAgentWithImage(t);
  const dockerd = await startDockerd(t);
  await dockerd.docker(['pull', '--quiet', image]);
  const script =
    'for i in 1 2 3; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done; printf "no line feed"; sleep 0.1; echo "  spaces  "';
  const details = [
    '--label',
    'tier=front end',
    '--label',
    'other=x',
    '-e',
    'COLOUR=blue',
    '--log-opt',
    'labels=tier',
    '--log-opt',
    'env=COLOUR',
    '--log-opt',
    'tag={{.Name}}',
  ];
  const commands: readonly (readonly string[])[] = [
    ['run', '--network=none', '--name', 'plain', image, 'sh', '-c', script],
    ['run', '--network=none', '--name', 'rich', ...details, image, 'sh', '-c', script],
    ['run', '--network=none', '-t', '--name', 'terminal', image, 'sh', '-c', script],
    ['logs', 'plain'],
    ['logs', '-n', '2', 'plain'],
    ['logs', '-n', '0', 'plain'],
    ['logs', '-n', 'all', 'plain'],
    ['logs', '--details', 'plain'],
    ['logs', '--details', 'rich'],
    ['logs', '--details', '-t', '-n', '1', 'rich'],
    ['logs', '-t', 'plain'],
    ['logs', '--since', '2000-01-01T00:00:00', '--until', '2001-01-01', 'plain'],
    ['logs', '--since', '1h', 'plain'],
    ['logs', '--until', '1h', 'plain'],
    ['logs', '--since', '2100-01-01', 'plain'],
    ['logs', 'terminal'],
    ['logs', '-f', 'plain'],
    ['run', '--log-driver', 'none', '--log-opt', 'max-size=1m', image],
    ['run', '--log-opt', 'nosuch=1', image],
    // Wrong values too are told at create here, and at start by dockerd, so they are left out.
  ];
  const print = async (daemon: Pick<typeof dockerd, 'docker'>) => {
    const printed: string[] = [];
    for (const args of commands) {
      const { exitCode, stdout, stderr } = await daemon.docker(args, { expectExit: 'any' });
      const text = `${args.join(' ')}\n${exitCode}\n${stdout}---\n${stderr}`;
      printed.push(text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, 'TIME'));
    }
    return printed;
  };
  assert.deepEqual(await print(agent), await print(dockerd));
});
