import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import type { Docker } from '../support/docker-cli.ts';
import { startDockerd } from '../support/dockerd.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

type Daemon = Pick<Docker, 'docker' | 'host'>;

/** What dockerd puts into each container for itself, and what a runtime makes where the image has nothing to mount over. */
const OF_THE_DAEMON = /^(\.dockerenv|(dev|proc|sys)(\/.*)?|etc\/(hosts|hostname|resolv\.conf|mtab)|etc\/?)$/;

/** Changes of every kind. The image has /bin, /etc, /root and /tmp. */
const SCRIPT = [
  'mkdir -p /new/deep /work',
  'echo one > /new/deep/one',
  'ln /new/deep/one /new/again',
  'ln -s deep/one /new/link',
  'mkfifo /new/fifo',
  'echo changed >> /etc/passwd',
  'rm /bin/ls',
  'rm -r /root',
  'mkdir /root',
  'echo mine > /root/mine',
  'chmod 700 /tmp',
  'chown 1000:3000000 /new/deep',
  'touch -d "2024-01-02 03:04:05" /new/deep/one /new/deep /new',
].join(' && ');

describe('docker diff, export and commit', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const daemons: readonly Daemon[] = [agent, dockerd];
  const both = async <T>(ask: (daemon: Daemon) => Promise<T>): Promise<T> => {
    const [ours, theirs] = [await ask(agent), await ask(dockerd)];
    assert.deepEqual(ours, theirs);
    return ours;
  };
  const out = async (daemon: Daemon, ...args: string[]) => (await daemon.docker(args)).stdout;

  for (const daemon of daemons) {
    await daemon.docker([
      ...['run', '--name', 'changed', '--network=none', '-w', '/work', '-e', 'A=b', '-l', 'of=container'],
      ...['-v', '/volume', image, 'sh', '-c', SCRIPT],
    ]);
  }

  test('diff tells what dockerd tells', async () => {
    const lines = await both(async (daemon) => (await out(daemon, 'diff', 'changed')).split('\n').sort());
    assert.ok(lines.includes('D /bin/ls'), lines.join('\n'));
    assert.ok(lines.includes('A /new/deep/one'));
    assert.ok(lines.includes('C /etc/passwd'));
    await docker(['create', '--name', 'untouched', image]);
    assert.equal(await out(agent, 'diff', 'untouched'), '');
    await docker(['rm', 'untouched']);
    assert.match((await docker(['diff', 'nosuch'], { expectExit: 1 })).stderr, /No such container: nosuch/);
  });

  test('export gives the same files as dockerd', async () => {
    const lines = await both((daemon) => listing(daemon, `docker -H ${daemon.host} export changed`));
    assert.ok(lines.some((line) => line.includes('new/deep/one')));
    assert.match((await docker(['export', 'nosuch'], { expectExit: 1 })).stderr, /No such container: nosuch/);
  });

  test('commit makes the same image as dockerd', async () => {
    const changes = [
      'CMD ["cat", "/new/again"]',
      'ENV B="c d" A=new',
      'EXPOSE 80/tcp 53/udp',
      'LABEL of=commit more=x',
      'USER 0:0',
      'VOLUME /other',
      'WORKDIR /new',
      'STOPSIGNAL SIGINT',
      'HEALTHCHECK --interval=5s CMD true',
    ].flatMap((change) => ['--change', change]);
    for (const daemon of daemons) {
      const args = ['commit', '-a', 'An Author', '-m', 'a message', ...changes, 'changed', 'made:1'];
      assert.match(await out(daemon, ...args), /^sha256:[0-9a-f]{64}\n$/);
    }
    const fields = ['Env', 'Cmd', 'Entrypoint', 'Labels', 'User', 'Volumes', 'WorkingDir', 'ExposedPorts'];
    const shown = [...fields, 'StopSignal', 'Healthcheck'].map((field) => `{{json .Config.${field}}}`);
    await both((daemon) =>
      out(daemon, 'image', 'inspect', '-f', `{{.Author}} {{.Comment}} {{.Os}} ${shown.join(' ')}`, 'made:1'),
    );
    for (const daemon of daemons) {
      const parent = await out(daemon, 'image', 'inspect', '-f', '{{.Parent}}', 'made:1');
      assert.equal(parent, await out(daemon, 'image', 'inspect', '-f', '{{.Id}}', image));
    }
    await both(async (daemon) => {
      const lines = await out(
        daemon,
        ...['history', '--no-trunc', '--format', '{{.CreatedBy}} {{.Comment}}', 'made:1'],
      );
      return lines.split('\n')[0];
    });
    const lines = await both(async (daemon) => {
      await daemon.docker(['create', '--name', 'again', 'made:1']);
      const listed = await listing(daemon, `docker -H ${daemon.host} export again`);
      await daemon.docker(['rm', '-v', 'again']);
      return listed;
    });
    assert.ok(lines.some((line) => / root\/mine$/.test(line)));
    assert.ok(!lines.some((line) => / bin\/ls( |$)/.test(line)));
    for (const daemon of daemons) {
      assert.equal(await out(daemon, 'run', '--rm', '--network=none', 'made:1'), 'one\n');
      await daemon.docker(['rmi', 'made:1']);
    }
  });

  test('commit of a running container pauses it, and one that changed nothing adds no layer', async () => {
    await docker([
      ...['run', '-d', '--name', 'busy', '--network=none', image, 'sh', '-c'],
      'i=0; while :; do i=$((i+1)); echo $i > /new; mv /new /one; echo $i > /new; mv /new /two; done',
    ]);
    await waitUntil('it writes', async () => (await out(agent, 'diff', 'busy')).includes('/two'));
    const since = `${Math.floor(Date.now() / 1000) - 1}`;
    for (let round = 0; round < 5; round += 1) {
      const id = (await out(agent, 'commit', 'busy')).trim();
      const read = await out(agent, 'run', '--rm', '--network=none', id, 'cat', '/one', '/two');
      const [one = 0, two = 0] = read.trim().split('\n').map(Number);
      assert.ok(one > 0 && (one === two || one === two + 1), read);
      await docker(['rmi', id]);
    }
    assert.equal(await out(agent, 'inspect', '-f', '{{.State.Status}}', 'busy'), 'running\n');
    const before = await out(agent, 'diff', 'busy');
    assert.match(before, /\/one/);
    const events = await out(
      agent,
      'events',
      '--since',
      since,
      '--until',
      `${Math.floor(Date.now() / 1000) + 1}`,
      '--format',
      '{{.Action}}',
    );
    assert.match(events, /^pause\nunpause\ncommit\n/m);
    const unpaused = (await out(agent, 'commit', '--pause=false', 'busy')).trim();
    await docker(['rmi', unpaused]);
    await docker(['rm', '-f', 'busy']);

    await docker(['create', '--name', 'untouched', image]);
    await docker(['commit', '-m', 'nothing', 'untouched', 'same:1']);
    const layers = (name: string) => out(agent, 'image', 'inspect', '-f', '{{.RootFS.Layers}}', name);
    assert.equal(await layers('same:1'), await layers(image));
    await docker(['rm', 'untouched']);
    await docker(['rmi', 'same:1']);
  });

  test('the configuration in the body of a commit is merged with that of the container as in dockerd', async () => {
    const full = {
      ...{ cmd: ['x', 'y'], Env: ['A=1'], ExposedPorts: { '81/tcp': {} }, Labels: { l: 'm' }, User: '7' },
      ...{ WorkingDir: '/w', Volumes: { '/v': {} }, Healthcheck: { Test: ['CMD', 'h'] }, StopSignal: 'INT' },
      ...{ OnBuild: ['RUN x'], Shell: ['/bin/s'], repo: 'unknown', Entrypoint: null },
    };
    const bodies = [full, { Entrypoint: ['/e'] }, {}];
    for (const [index, body] of bodies.entries()) {
      await both(async (daemon) => {
        const query = `container=changed&repo=bodied&tag=${index}&changes=${encodeURIComponent('ENV B=2')}`;
        const answer = await callEngineAt(
          daemon.host.slice('unix://'.length),
          'POST',
          `/commit?${query}`,
          body,
        );
        assert.equal(answer.status, 201, answer.text);
        const { Config } = JSON.parse(await out(daemon, 'image', 'inspect', `bodied:${index}`))[0];
        const { Cmd, Env, ExposedPorts, Labels, User, WorkingDir, Volumes, Healthcheck } = Config;
        const { StopSignal, OnBuild, Shell, Entrypoint } = Config;
        return {
          ...{ Cmd, Env, ExposedPorts, Labels, User, WorkingDir, Volumes, Healthcheck },
          ...{ StopSignal, OnBuild, Shell, Entrypoint },
        };
      });
    }
  });

  test('what cannot be committed is refused as dockerd refuses it, and leaves nothing', async () => {
    const before = await agentMounts(agent);
    const layers = async () => (await out(agent, 'images', '-aq', '--no-trunc')).split('\n').length;
    const images = await layers();
    for (const args of [
      ['commit', 'nosuch'],
      ['commit', 'changed', 'Bad:Name'],
      ['commit', '--change', 'RUN true', 'changed'],
      ['commit', '--change', 'NOSUCH x', 'changed'],
    ]) {
      const [ours, theirs] = [
        await agent.docker(args, { expectExit: 'any' }),
        await dockerd.docker(args, { expectExit: 'any' }),
      ];
      assert.equal(ours.exitCode, theirs.exitCode, args.join(' '));
      assert.match(ours.stderr, /^(Error response from daemon|invalid reference)/);
    }
    assert.equal(await layers(), images);
    await waitUntil('its mounts are gone', async () => noneButIn(before, await agentMounts(agent)));
  });

  test('a client that hangs up in the middle of export or commit leaves nothing', async () => {
    await docker([
      'run',
      '--name',
      'big',
      '--network=none',
      image,
      'sh',
      '-c',
      'head -c 80000000 /dev/urandom > /big',
    ]);
    const before = await agentMounts(agent);
    await runCommand('sh', ['-c', `docker -H ${agent.host} export big | head -c 100000 > /dev/null`]);
    await runCommand('timeout', ['0.15', 'docker', '-H', agent.host, 'commit', 'big', 'half:1'], {
      expectExit: 'any',
    });
    await waitUntil('its mounts are gone', async () => noneButIn(before, await agentMounts(agent)));
    await docker(['rm', 'big']);
    // The agent may not have heard yet of the client that is gone.
    await waitUntil('nothing is left', async () => {
      await docker(['rmi', 'half:1'], { expectExit: 'any' });
      const left = await runCommand('sh', ['-c', `ls -A ${agent.dataDir}/layers ${agent.dataDir}/snapshots`]);
      return !/incoming|base-/.test(left.stdout);
    });
  });

  /** The lines of a tar, sorted by path, with the time of what the container dated, and without what is the daemon's own. */
  async function listing(daemon: Daemon, command: string): Promise<readonly string[]> {
    const { stdout } = await runCommand(
      'sh',
      ['-c', `${command} | tar --numeric-owner --full-time -tvf - `],
      { env: { DOCKER_HOST: daemon.host } },
    );
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines
      .flatMap((line) => {
        const [mode = '', owner = '', size = '', day = '', time = '', ...words] = line.split(/ +/);
        const name = words.join(' ');
        if (OF_THE_DAEMON.test(name.replace(/\/$| -> .*/, ''))) return [];
        const when = day.startsWith('2024') ? `${day} ${time}` : 'NOW';
        // crun marks the folders that it makes to mount something by the sticky bit.
        return [`${name === 'volume/' ? 'drwxr-xr-x' : mode} ${owner} ${size} ${when} ${name}`];
      })
      .sort();
  }
});

function noneButIn(before: readonly string[], now: readonly string[]): boolean {
  return now.every((path) => before.includes(path));
}
