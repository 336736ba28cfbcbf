import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

type Daemon = Pick<Docker, 'docker' | 'host'>;

describe('docker image ls, rm, prune, history and system df', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  const archive = join(await makeTempDir({ after }, 'archive'), 'images.tar');

  // Two images over a third, made by the agent, with dates of their own, in both daemons.
  const make = async (name: string, from: string, script: string, ...changes: string[]) => {
    await agent.docker(['run', '--name', 'making', '--network=none', from, 'sh', '-c', script]);
    const args = changes.flatMap((change) => ['-c', change]);
    await agent.docker(['commit', ...args, 'making', name]);
    await agent.docker(['rm', 'making']);
  };
  await agent.docker(['tag', image, 'base:1']);
  await make('app:1', 'base:1', 'head -c 1000 /dev/zero > /zeros; ln -s zeros /link', 'LABEL tier=web');
  await make('app:2', 'app:1', 'head -c 500 /dev/zero > /more; ln /more /again', 'LABEL tier=db', 'CMD true');
  await agent.docker(['tag', 'app:2', 'other:latest']);
  const names = ['base:1', 'app:1', 'app:2', 'other:latest'];
  await agent.docker(['save', '-o', archive, ...names]);
  await agent.docker(['rmi', image]);
  const load = () => both(['load', '-q', '-i', archive]);

  /** Runs a command on both; their outputs, as lines in the order of their texts, must be the same. */
  async function both(...commands: readonly (readonly string[])[]): Promise<readonly string[]> {
    const print = async (daemon: Daemon) => {
      const printed: string[] = [];
      for (const args of commands) {
        const { exitCode, stdout, stderr } = await daemon.docker(args, { expectExit: 'any' });
        const lines = `${stdout}${stderr}`.split('\n').map(normalize).filter(Boolean).sort();
        printed.push(`${args.join(' ')}: ${exitCode}`, ...lines);
      }
      return printed;
    };
    const ours = await print(agent);
    assert.deepEqual(ours, await print(dockerd));
    return ours;
  }

  test('history and sizes', async () => {
    await load();
    const format = ['--no-trunc', '--format', '{{.ID}} {{.CreatedAt}} {{.CreatedBy}} {{.Size}} {{.Comment}}'];
    const lines = await both(
      ['history', ...format, 'app:2'],
      ['history', ...format, 'base:1'],
      ['images', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'],
    );
    assert.ok(
      lines.some((line) => line.includes(' 500B')),
      lines.join('\n'),
    );
    assert.ok(
      lines.some((line) => line.includes(' 1.01kB') || line.includes(' 1kB')),
      lines.join('\n'),
    );
    const shown = [
      'Architecture',
      'Author',
      'Comment',
      'Config.Cmd',
      'Config.Labels',
      'Created',
      'Os',
      'RepoTags',
      'RootFS',
      'Size',
    ];
    await both(['image', 'inspect', '-f', shown.map((field) => `{{json .${field}}}`).join(' '), ...names]);
  });

  test('ls with filters', async () => {
    const ls = (...filters: string[]) => [
      ...['images', '--format', '{{.Repository}}:{{.Tag}}'],
      ...filters.flatMap((filter) => ['-f', filter]),
    ];
    await both(
      ls('label=tier'),
      ls('label=tier=db'),
      ls('label=nosuch'),
      ls('before=app:2'),
      ls('since=base:1'),
      ls('since=app:2'),
      ls('reference=app'),
      ls('reference=app:*'),
      ls('reference=*:1'),
      ls('reference=o*', 'reference=base'),
      ls('dangling=true'),
      ls('dangling=false'),
      ls('until=2020-01-01'),
      ls('until=1h'),
      ls('before=nosuch'),
      ls('nosuch=1'),
      ls('dangling=maybe'),
      ['images', 'app', '--format', '{{.Tag}}'],
      ['images', 'app:2', '--format', '{{.Repository}}'],
      ['images', '-q', '--no-trunc', 'other'],
    );
  });

  test('rm by name, by ID, by prefix, in use, by force', async () => {
    const idOf = async (name: string) =>
      (await agent.docker(['image', 'inspect', '-f', '{{.Id}}', name])).stdout.trim().slice(7);
    const [app1, app2, base] = [await idOf('app:1'), await idOf('app:2'), await idOf('base:1')];
    await both(
      ['rmi', 'nosuch'],
      ['rmi', app2],
      ['rmi', app2.slice(0, 12)],
      ['rmi', 'other'],
      ['rmi', 'other'],
      ['create', '--name', 'user', 'app:2'],
    );
    await both(
      ['rmi', 'app:2'],
      ['rmi', app2],
      ['images', '-a', '--format', '{{.Repository}}:{{.Tag}}'],
      ['rm', 'user'],
      ['tag', 'app:2', 'again:1'],
      ['rmi', app2],
      ['rmi', '-f', app2],
      ['rmi', app1.slice(0, 10)],
      ['rmi', '--no-prune', 'base:1'],
      ['rmi', base],
      ['images', '-aq'],
    );
  });

  test('prune with filters', async () => {
    await load();
    const prune = (...filters: string[]) => [
      ...['image', 'prune', '-f'],
      ...filters.flatMap((filter) => (filter === '-a' ? ['-a'] : ['--filter', filter])),
    ];
    await both(
      prune(),
      ['rmi', '--no-prune', 'app:1'],
      ['rmi', 'other'],
      ['create', '--name', 'user', 'app:2'],
      prune('-a', 'until=2000-01-01'),
      prune('-a', 'label=nosuch'),
      prune('-a', 'label!=tier'),
      prune('-a', 'label=tier=db'),
      ['images', '--format', '{{.Repository}}:{{.Tag}}'],
      ['rm', 'user'],
      prune('-a', 'label=tier=db'),
      ['images', '-aq'],
      prune('until=what'),
      prune('nosuch=1'),
    );
    await load();
    // Nothing has a name any more, and what has no name is dangling.
    await agent.docker(['tag', 'base:1', 'app:2']);
    await agent.docker(['tag', 'base:1', 'other']);
    const printed = await agent.docker(['image', 'prune', '-f']);
    assert.match(printed.stdout, /deleted: sha256:[0-9a-f]{64}\n[\s\S]*Total reclaimed space: 500B\n/);
    for (const daemon of [agent, dockerd]) await daemon.docker(['load', '-q', '-i', archive]);
    await both(prune('-a'), ['images', '-aq']);
  });

  test('system prune takes what nobody uses', async () => {
    for (const daemon of [agent, dockerd]) await daemon.docker(['load', '-q', '-i', archive]);
    await both(['create', '--name', 'idle', 'base:1']);
    for (const daemon of [agent, dockerd]) {
      await daemon.docker(['volume', 'create', 'named']);
      await daemon.docker(['run', '--name', 'ended', '--network=none', '-v', '/anonymous', 'app:2']);
      await daemon.docker(['run', '-d', '--name', 'busy', '--network=none', 'app:1', 'sleep', '100000']);
    }
    const kept = ['images', '--format', '{{.Repository}}:{{.Tag}}'];
    const names = ['ps', '-a', '--format', '{{.Names}}'];
    await both(['system', 'prune', '-f', '--filter', 'label=nosuch'], kept, names);
    for (const args of [
      ['system', 'prune', '-f'],
      ['system', 'prune', '-f', '--volumes'],
      ['system', 'prune', '-af'],
    ]) {
      const [ours, theirs] = [await agent.docker(args), await dockerd.docker(args)];
      const total = (text: string) => /Total reclaimed space: \S+/.exec(text)?.[0];
      if (!args.includes('--volumes')) assert.equal(total(ours.stdout), total(theirs.stdout), args.join(' '));
      await both(kept, names, ['volume', 'ls', '--format', '{{.Driver}}']);
    }
    for (const daemon of [agent, dockerd]) {
      await daemon.docker(['rm', '-f', 'busy']);
      await daemon.docker(['volume', 'rm', 'named']);
    }
  });

  test('system df, and the sizes of containers', async () => {
    await load();
    for (const daemon of [agent, dockerd]) {
      await daemon.docker(['volume', 'create', 'vol']);
      const script = 'head -c 12345 /dev/zero > /written; ln -s written /link; echo x > /vol/file';
      await daemon.docker([
        'run',
        '--name',
        'writer',
        '--network=none',
        '-v',
        'vol:/vol',
        'app:2',
        'sh',
        '-c',
        script,
      ]);
      await daemon.docker(['create', '--name', 'idle', 'base:1']);
    }
    const usage = await both(
      [
        'system',
        'df',
        '--format',
        '{{.Type}} {{.TotalCount}} {{.Active}} {{if ne .Type "Local Volumes"}}{{.Size}} {{.Reclaimable}}{{end}}',
      ],
      ['ps', '-as', '--format', '{{.Names}} {{.Size}}'],
      ['inspect', '-s', '-f', '{{.SizeRootFs}} {{.SizeRw}}', 'writer'],
    );
    assert.ok(
      usage.some((line) => /^Images 3 2 2\.0\dMB /.test(line)),
      usage.join('\n'),
    );
    assert.ok(
      usage.some((line) => line.startsWith('writer 12.3kB (virtual 2.04MB)')),
      usage.join('\n'),
    );
    const verbose = (await agent.docker(['system', 'df', '-v'])).stdout;
    assert.match(verbose, /app +2 +[0-9a-f]{12} .* 2\.03MB +2\.029MB +500B +1\n/);
    assert.match(verbose, /vol +1 +\d/);
    for (const daemon of [agent, dockerd]) {
      await daemon.docker(['rm', '-v', 'writer', 'idle']);
      await daemon.docker(['volume', 'rm', 'vol']);
    }
    const refused = await runCommand('curl', [
      '-s',
      '--unix-socket',
      agent.socket,
      'http://d/system/df?type=nosuch',
    ]);
    assert.match(refused.stdout, /unknown object type: nosuch/);
  });
});

/** IDs that daemons invent, sizes of folders, and the order of names within a line differ; the IDs of images do not. */
function normalize(line: string): string {
  return line
    .replace(/^[0-9a-f]{64}$/, 'ID')
    .replace(/container [0-9a-f]{12}/, 'container SHORT')
    .replace(/^deleted: sha256:[0-9a-f]{64}$/, '');
}
