import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { type Dockerd, startDockerd } from '../support/dockerd.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

describe('what the docker CLI prints, beside dockerd', {
  skip: unlessRoot(),
  timeout: 3_600_000,
}, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);

  const { same } = besideDockerd(agent, dockerd);
  // dockerd runs without a bridge here.
  const RUN = ['run', '--network=none'];

  test('commands that cannot run', async () => {
    await same(
      [...RUN, '--name', 'missing', image, 'nosuch'],
      ['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'missing'],
      ['ps', '-a', '--format', '{{.Names}} {{.Status}} {{.Command}}'],
      ['rm', 'missing'],
    );
  });

  test('what is not there', async () => {
    await same(
      ['inspect', 'nosuch'],
      ['start', 'nosuch'],
      ['stop', 'nosuch'],
      ['kill', 'nosuch'],
      ['wait', 'nosuch'],
      ['logs', 'nosuch'],
      ['attach', 'nosuch'],
      ['rm', 'nosuch'],
      ['rmi', 'nosuch'],
      ['tag', 'nosuch', 'other'],
      ['history', 'nosuch'],
      ['image', 'inspect', 'nosuch'],
      ['run', '--pull', 'never', 'nosuch', 'true'],
    );
  });

  test('what is in use or in another state', async () => {
    await same(
      [...RUN, '-d', '--name', 'busy', image, 'sleep', '100000'],
      ['create', '--name', 'busy', image],
      ['rm', 'busy'],
      ['rmi', image],
      ['start', 'busy'],
      ['ps', '--format', '{{.Names}} {{.Image}} {{.Command}} {{.Status}} {{.State}} {{.Ports}} {{.Mounts}}'],
      ['stop', '-t', '0', 'busy'],
      ['stop', 'busy'],
      ['kill', 'busy'],
      ['attach', 'busy'],
      ['wait', 'busy'],
      [
        'inspect',
        '-f',
        '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}',
        'busy',
      ],
      ['inspect', '-s', '-f', '{{.SizeRw}}', 'busy'],
      ['ps', '-a', '--format', '{{.Names}} {{.Status}}'],
      ['rm', 'busy'],
    );
  });

  test('wrong options', async () => {
    await same(
      [...RUN, '--name', '-x', image],
      [...RUN, '-m', '1m', image],
      [...RUN, '-w', 'relative', image],
      [...RUN, '--cap-add', 'NOSUCH', image],
      [...RUN, '--stop-signal', 'NOSUCH', image],
      [...RUN, '--ulimit', 'nosuch=1', image],
      ['ps', '-f', 'nokey=x'],
      ['ps', '-f', 'status=flying'],
      ['images', '-f', 'nokey=x'],
      ['kill', '-s', 'NOSUCH', 'nosuch'],
      ['logs', '--since', 'yesterday', 'nosuch'],
      [...RUN, '--volumes-from', 'nosuch', image],
      [...RUN, '-v', 'v:/x:ro', image],
      [...RUN, '-v', '/tmp:/', image],
      [...RUN, '-v', '/tmp:/x:ro,rw', image],
      [...RUN, '-v', '/tmp:/x:nocopy', image],
      [...RUN, '--mount', 'type=bind,src=/tmp,dst=relative', image],
      [...RUN, '--log-opt', 'max-buffer-size=4m', image],
      [...RUN, '--log-driver', 'nosuch', image],
      ['create', '--network', 'container:', image],
      ['ps', '-f', 'health=fine'],
      ['ps', '-f', 'publish=x'],
      ['volume', 'create', '-o', 'o=size=1m', 'wrong'],
      ['volume', 'create', '-o', 'nosuch=1', 'wrong'],
      ['network', 'ls', '-f', 'name=^hos.$', '--format', '{{.Name}}'],
    );
  });

  test('volumes are filled when a container is created, and never again', async () => {
    await same(
      ['create', '--network=none', '--name', 'donor', '-v', 'given:/usr', '-v', '/usr/bin', image],
      [...RUN, '--rm', '--volumes-from', 'donor:ro', image, 'sh', '-c', 'ls -A /usr; ls -A /usr/bin | wc -l'],
      [...RUN, '--rm', '-v', 'given:/place', image, 'ls', '-A', '/place'],
      ['rm', '-v', 'donor'],
      [...RUN, '--name', 'wipe', '-v', 'wiped:/usr', image, 'sh', '-c', 'ls -A /usr; rm -rf /usr/*'],
      ['start', '-a', 'wipe'],
      [...RUN, '--rm', '-v', 'wiped:/place', image, 'ls', '-A', '/place'],
      ['rm', 'wipe'],
      ['volume', 'rm', 'given', 'wiped'],
    );
  });

  test('the modes of --volumes-from', async () => {
    const show = [
      'inspect',
      '-f',
      '{{range .Mounts}}{{.Name}} {{.Destination}} <{{.Mode}}> {{.RW}}{{end}}',
      'heir',
    ];
    const heirs = ['', ':', ':ro', ':rw,Z', ':ro,cached', ':ro,rw', ':nocopy', ':rshared', ':ro:rw', ':RO'];
    await same(
      ['create', '--network=none', '--name', 'donor', '-v', 'given:/place', image],
      ...heirs.flatMap((mode) => [
        ['create', '--network=none', '--name', 'heir', '--volumes-from', `donor${mode}`, image],
        show,
        ['rm', 'heir'],
      ]),
      ...['', ':', ':ro'].map((text) => ['create', '--volumes-from', text, image]),
      ['rm', 'donor'],
      ['volume', 'rm', 'given'],
    );
  });

  test('the isolation that a client asked for', async () => {
    await same(
      ['create', '--network=none', '--name', 'isolated', '--isolation', 'default', image],
      ['inspect', '-f', '{{.HostConfig.Isolation}}', 'isolated'],
      ['rm', 'isolated'],
    );
  });

  test('images', async () => {
    await same(
      ['tag', image, 'app:1'],
      // One name each: the CLI prints several in random order.
      ['images', '--format', '{{.Repository}} {{.Tag}}', image],
      ['images', '--format', '{{.Repository}} {{.Tag}}', 'app'],
      [
        'image',
        'inspect',
        '-f',
        '{{json .Config.Cmd}} {{json .Config.Env}} {{.Os}} {{json .RootFS}} {{json .RepoTags}}',
        'app:1',
      ],
      ['history', '--format', '{{.CreatedBy}}', 'app:1'],
      ['rmi', 'app:1'],
      ['tag', image, 'UPPER'],
    );
  });

  test('the environment of a process', async () => {
    await same(
      [...RUN, '--rm', '--hostname', 'quay', image, 'env'],
      [...RUN, '--rm', '--hostname', 'quay', '-e', 'HOME=/x', '-e', 'A', image, 'env'],
      [
        ...RUN,
        '--rm',
        '-u',
        '1000',
        image,
        'sh',
        '-c',
        'id; pwd; umask; ulimit -c; cat /proc/self/status | grep -E "^Cap|Seccomp:|NoNewPrivs"',
      ],
      [
        ...RUN,
        '--rm',
        image,
        'sh',
        '-c',
        'ls -ld /dev/* /tmp | grep -v /dev/core | sed -E "s/ +[0-9].*(:[0-9][0-9]| [0-9]{4}) / /"; ls -l /proc/self/fd | wc -l',
      ],
      [
        ...RUN,
        '--rm',
        '-v',
        'data',
        '-v',
        'box:/box',
        image,
        'sh',
        '-c',
        'ls -l /.dockerenv | cut -c1-10; ls -d data',
      ],
      [...RUN, '--rm', '--read-only', '--tmpfs', '/scratch', image, 'sh', '-c', 'touch /scratch/x; touch /x'],
    );
  });

  test('fields of inspect have the same names', async () => {
    const fields = async (daemon: Pick<Dockerd, 'docker'>) => {
      await daemon.docker([...RUN, '--name', 'shape', image, 'true']);
      const { stdout } = await daemon.docker(['inspect', 'shape']);
      await daemon.docker(['rm', 'shape']);
      const [shown] = JSON.parse(stdout);
      const names = (value: object) => Object.keys(value).sort();
      return {
        top: names(shown),
        state: names(shown.State),
        config: names(shown.Config),
        hostConfig: names(shown.HostConfig),
        network: names(shown.NetworkSettings),
        defaults: {
          ...shown.HostConfig,
          LogConfig: undefined,
          Runtime: undefined,
          MaskedPaths: [...shown.HostConfig.MaskedPaths].sort(),
        },
      };
    };
    assert.deepEqual(await fields(agent), await fields(dockerd));
  });
});
