import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterOwnNetwork();

const options = { skip: unlessRoot(), timeout: 3_600_000 };

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
  /** Writes numbered lines. */
  const counting = (count: number) =>
    `i=0; while [ $i -lt ${count} ]; do echo line $i of many; i=$((i+1)); done; echo end`;
  /** The same, and after every hundred of them it waits until a file of their number is in /steps. */
  const steps = (count: number) =>
    `i=0; while [ $i -lt ${count} ]; do echo line $i of many; i=$((i+1)); [ $((i % 100)) = 0 ] && while [ ! -e /steps/$i ]; do sleep 0.05; done; done; echo end`;
  /**
   * Lets a container of `steps` go on when what it has written is in the log, and the log is below `limit` again: however late the
   * agent and conmon come, no file gets much longer. `seen` is what else has to be before.
   */
  const pace = async (
    folder: string,
    name: string,
    { count, limit, seen }: { count: number; limit: number; seen?: (line: string) => boolean },
  ) => {
    let home = '';
    for (let step = 100; step <= count; step += 100) {
      const line = `line ${step - 1} of many\n`;
      await untilPasses(async () => {
        home ||= join(agent.dataDir, 'containers', await idOf(name));
        const { size } = await stat(join(home, 'container.log'));
        assert.ok(size < limit, `the log has ${size} bytes`);
        assert.ok(await hasNewest(home, line), `the log has no ${line}`);
        assert.ok(seen === undefined || seen(line), `nobody has seen ${line}`);
      });
      await writeFile(join(folder, String(step)), '');
    }
  };
  /** Whether a line is in one of the two newest files. */
  const hasNewest = async (home: string, line: string) => {
    const read = (file: string) => readFile(join(home, file)).catch(() => Buffer.alloc(0));
    const [newest, plain, packed] = await Promise.all(
      ['container.log', 'container.log.1', 'container.log.1.gz'].map(read),
    );
    const unpacked = packed === undefined || packed.length === 0 ? packed : gunzipSync(packed);
    return [newest, plain, unpacked].some((content) => content?.includes(` F ${line}`));
  };
  /** Waits for `go`. */
  const READY = 'echo ready; while [ ! -e /go ]; do sleep 0.1; done';
  const go = (name: string) => docker(['exec', name, 'touch', '/go']);
  const numbers = (text: string) =>
    text
      .split('\n')
      .flatMap((line) => /^line (\d+) /.exec(line)?.[1] ?? [])
      .map(Number);

  test('a log with max-size and max-file is rotated and stays bounded', async (t) => {
    const folder = await makeTempDir(t, 'steps');
    const flags = ['-v', `${folder}:/steps`, '--log-opt', 'max-size=20k', '--log-opt', 'max-file=3'];
    await Promise.all([
      docker(['run', '--name', 'rotated', ...flags, image, 'sh', '-c', steps(3000)]),
      pace(folder, 'rotated', { count: 3000, limit: 20_000 }),
    ]);
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

  test('rotated files are compressed, and read as the others', async (t) => {
    const folder = await makeTempDir(t, 'steps');
    const flags = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=8', '--log-opt', 'compress=true'];
    const script = `${READY}; ${steps(3000)}; sleep 100000`;
    const run = ['run', '-d', '--name', 'packed', '-v', `${folder}:/steps`, ...flags];
    await docker([...run, image, 'sh', '-c', script]);
    // It reads on while what it has read, and what comes, is compressed.
    const follower = startDocker(['logs', '-f', 'packed']);
    await follower.waitForLine(/^ready$/m);
    await go('packed');
    const seen = (line: string) => follower.output().includes(line);
    await pace(folder, 'packed', { count: 3000, limit: 20_000, seen });
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

  test('what was not compressed when a container ended is compressed after that', async (t) => {
    const folder = await makeTempDir(t, 'steps');
    const flags = ['-v', `${folder}:/steps`, '--log-driver', 'local', '--log-opt', 'max-size=20k'];
    await Promise.all([
      docker(['run', '--name', 'brief', ...flags, image, 'sh', '-c', steps(2000)]),
      pace(folder, 'brief', { count: 2000, limit: 20_000 }),
    ]);
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

  test('logs --follow goes on over rotations and ends with the container', async (t) => {
    const folder = await makeTempDir(t, 'steps');
    const flags = ['-v', `${folder}:/steps`, '--log-opt', 'max-size=20k', '--log-opt', 'max-file=50'];
    await docker(['run', '-d', '--name', 'followed', ...flags, image, 'sh', '-c', steps(2000)]);
    const [{ stdout }] = await Promise.all([
      docker(['logs', '-f', 'followed']),
      pace(folder, 'followed', { count: 2000, limit: 20_000 }),
    ]);
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
    const script = `${READY}; ${counting(1500)}; sleep 100000`;
    await docker(['run', '-d', '--name', 'survivor', ...flags, image, 'sh', '-c', script]);
    await agent.kill();
    await agent.restart();
    await go('survivor');
    const follow = agent.startDocker(['logs', '-f', 'survivor']);
    await follow.waitForLine(/^end$/m);
    // Files are away for a moment while they are rotated.
    await untilPasses(async () => {
      const names = (await logFiles('survivor')).map(({ file }) => file);
      assert.ok(names.includes('container.log.1'), names.join(' '));
    });
    await docker(['rm', '-f', 'survivor']);
  });

  test('a container that writes without end fills neither disk nor memory', async () => {
    const flags = ['--log-opt', 'max-size=1m', '--log-opt', 'max-file=2'];
    const script = 'yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 50000000; echo end';
    await docker(['run', '-d', '--name', 'flood', ...flags, image, 'sh', '-c', script]);
    await docker(['wait', 'flood']);
    // A last rotation may be under way.
    await untilPasses(async () => {
      const files = await logFiles('flood');
      const size = files.reduce((sum, file) => sum + file.size, 0);
      // Two files of a megabyte; conmon begins one anew at twice that and one more, when the agent is late.
      assert.ok(size < 7_000_000, JSON.stringify(files));
    });
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
  // Two pipes have no order: each line is awaited before the next one goes to the other stream.
  const step = 'n=$((n+1)); while [ ! -e /steps/$n ]; do sleep 0.05; done';
  const script = `n=0; for i in 1 2 3; do echo out $i; ${step}; echo err $i >&2; ${step}; done; printf "no line feed"; sleep 0.1; echo "  spaces  "`;
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
  const runs: Readonly<Record<string, readonly string[]>> = { plain: [], rich: details, terminal: ['-t'] };
  const commands: readonly (readonly string[])[] = [
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
  type Daemon = Pick<Docker, 'docker'>;
  const show = async ({ docker }: Daemon, args: readonly string[]) => {
    const { exitCode, stdout, stderr } = await docker(args, { expectExit: 'any' });
    return `${exitCode}\n${stdout}---\n${stderr}`.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, 'TIME');
  };
  const runInSteps = async (daemon: Daemon, name: string, flags: readonly string[]) => {
    const folder = await makeTempDir(t, 'steps');
    const common = ['--network=none', '--name', name, '-v', `${folder}:/steps`];
    const running = show(daemon, ['run', ...common, ...flags, image, 'sh', '-c', script]);
    for (let line = 1; line <= 6; line += 1) {
      await untilPasses(async () => {
        const { stdout, stderr } = await daemon.docker(['logs', name]);
        assert.equal(`${stdout}${stderr}`.split('\n').length - 1, line);
      });
      await writeFile(join(folder, String(line)), '');
    }
    return running;
  };
  const print = async (daemon: Daemon) => {
    const printed: string[] = [];
    for (const [name, flags] of Object.entries(runs)) {
      printed.push(`${name}\n${await runInSteps(daemon, name, flags)}`);
    }
    for (const args of commands) printed.push(`${args.join(' ')}\n${await show(daemon, args)}`);
    return printed;
  };
  assert.deepEqual(await print(agent), await print(dockerd));
});
