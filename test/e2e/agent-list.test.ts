import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { callEngineAt, openEngineStream } from '../support/engine-call.ts';
import { imageFolder } from '../support/image-cache.ts';
import { loadIntoDocker } from '../support/load-into-docker.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('container ls, wait, port and attach', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after }, { network: 'own' });
  await loadIntoDocker({ after }, dockerd, await makeBusyboxImage(await imageFolder({ after })), image);
  const { same, sameBut } = besideDockerd(agent, dockerd);
  /** How often something was told of a container within the last hour. */
  const told = async (event: string, container: string) => {
    const now = Math.floor(Date.now() / 1000);
    const span = ['--since', String(now - 3600), '--until', String(now + 1)];
    const filters = ['--filter', `event=${event}`, '--filter', `container=${container}`];
    const { stdout } = await agent.docker(['events', ...span, ...filters, '--format', '{{.Action}}']);
    return stdout.split('\n').filter(Boolean).length;
  };
  const ls = (...args: readonly string[]) => [
    ...['container', 'ls', '-a', '--format', '{{.Names}}'],
    ...args.flatMap((filter) => ['--filter', filter]),
  ];

  test('names, signals and modes are taken and refused as by dockerd', async (t) => {
    const sleeps = [image, 'sleep', '100000'];
    const steps = [
      ['run', '-d', '--name', 'named', ...sleeps],
      ['run', '-d', '--name', 'linking', '--link', 'named:other', ...sleeps],
      ...['linking/other', '/linking/other', 'linking/nosuch', 'named/other'].map((name) => [
        ...['inspect', '-f', '{{.Name}}', name],
      ]),
      ['exec', 'linking/other', 'echo', 'hi'],
      ...['SIG42', '42', 'SIGRTMIN+3', 'SIG0', 'NOSUCH'].map((signal) => ['kill', '-s', signal, 'named']),
      ['create', '--pid', 'container:nosuch', ...sleeps],
      ['create', '--ipc', 'container:nosuch', ...sleeps],
      ['tag', image, 'sha256:y'],
      ['tag', image, 'zz/a:1'],
      ['tag', image, 'q:1'],
      ['tag', image, 'localhost/x:1'],
      ['image', 'inspect', '-f', '{{json .RepoTags}}', image],
      ['rmi', 'zz/a:1', 'q:1', 'localhost/x:1'],
      ['create', '--name', 'out', '--mount', 'type=volume,src=vol,dst=/x,volume-subpath=../y', image],
      ['run', '-d', '--rm', '--name', 'again', ...sleeps],
      ['restart', '-t', '0', 'again'],
      ['ps', '--filter', 'name=again', '--format', '{{.Names}}'],
      ['rm', '-f', 'again', 'linking', 'named'],
    ];
    // Each on its own, so that one that differs does not hide the others.
    for (const step of steps) {
      await t.test(`docker ${step.join(' ')}`, async () => void (await same(step)));
    }
  });

  test('container ls, by every filter', async () => {
    await same(
      ['volume', 'create', 'hold'],
      ['network', 'create', 'lane'],
      [
        'run',
        '-d',
        '--name',
        'alpha',
        '--label',
        'k=1',
        '-v',
        'hold:/data',
        '-p',
        '8081:80',
        image,
        'sleep',
        '100000',
      ],
      [
        'run',
        '-d',
        '--name',
        'beta',
        '--label',
        'k=2',
        '--network',
        'lane',
        '--expose',
        '1234',
        image,
        'sleep',
        '100000',
      ],
      ['run', '--name', 'gamma', '-v', '/tmp:/host:ro', image, 'sh', '-c', 'exit 3'],
      ['create', '--name', 'delta', '--health-cmd', 'true', '--network', 'none', image, 'true', 'two words'],
      ['run', '-d', '--name', 'paused', '--network', 'none', image, 'sleep', '100000'],
      ['pause', 'paused'],
      ls(),
      ...['running', 'exited', 'created', 'paused', 'dead', 'restarting', 'flying'].map((status) =>
        ls(`status=${status}`),
      ),
      ls('status=running', 'status=exited'),
      ...['alpha', '^/alpha$', 'a$', 'l.*a', '(', 'nosuch'].map((name) => ls(`name=${name}`)),
      ...['k', 'k=1', 'k=3', 'nosuch'].map((label) => ls(`label=${label}`)),
      ls('label=k', 'label=k=2'),
      ls(`ancestor=${image}`),
      ls('ancestor=nosuch'),
      ...['hold', '/data', '/host', '/tmp', '/nosuch'].map((volume) => ls(`volume=${volume}`)),
      ...['lane', 'bridge', 'none', 'host', 'nosuch'].map((network) => ls(`network=${network}`)),
      ...['none', 'starting', 'healthy'].map((health) => ls(`health=${health}`)),
      ...['0', '3', '137', 'x'].map((code) => ls(`exited=${code}`)),
      ls('before=gamma'),
      ls('since=gamma'),
      ls('before=nosuch'),
      ...['80', '8081', '80/tcp', '80/udp', '70-90', '1234'].map((port) => ls(`publish=${port}`)),
      ...['80', '1234', '1234/tcp', '1200-1300/tcp'].map((port) => ls(`expose=${port}`)),
      ls('is-task=true'),
      ls('is-task=false'),
      ls('nosuch=1'),
      ['ps', '-q', '--no-trunc'],
      ['ps', '-n', '2', '--format', '{{.Names}}'],
      ['ps', '-l', '--format', '{{.Names}} {{.Status}}'],
      [
        ...['ps', '-a', '--no-trunc', '--format'],
        '{{.Names}}|{{.Image}}|{{.Command}}|{{.Status}}|{{.State}}|{{.Ports}}|{{.Mounts}}|{{.Networks}}|{{.Labels}}|{{.LocalVolumes}}',
      ],
      ['ps', '--filter', 'name=alpha', '--format', 'json']
        .slice(0, 3)
        .concat('--format', 'table {{.Names}}\t{{.RunningFor}}'),
    );
    await sameBut(
      [{ reason: 'layers are kept otherwise', pattern: /[\d.]+[kM]?B/g, by: 'SIZE' }],
      ['ps', '-a', '--size', '--format', '{{.Names}} {{.Size}}'],
    );
  });

  test('wait and port', async () => {
    await same(
      ['wait', 'gamma'],
      ['wait', 'gamma', 'nosuch', 'delta'],
      ['port', 'alpha'],
      ['port', 'alpha', '80/tcp'],
      ['port', 'alpha', '81'],
      ['port', 'beta'],
      ['port', 'nosuch'],
      ['unpause', 'paused'],
    );
    for (const { docker } of [agent, dockerd]) {
      const waiting = docker(['wait', 'alpha', 'beta', 'paused']);
      await docker(['exec', 'alpha', 'true']);
      await docker(['kill', 'beta', 'paused', 'alpha']);
      assert.equal((await waiting).stdout, '137\n137\n137\n');
    }
    await same(
      ['rm', '-f', 'alpha', 'beta', 'gamma', 'delta', 'paused'],
      ['volume', 'rm', 'hold'],
      ['network', 'rm', 'lane'],
    );
  });

  test('attach passes signals on, or keeps them', async () => {
    const script = 'trap "echo caught; exit 7" TERM; echo waiting; while :; do sleep 0.1; done';
    await agent.docker(['run', '-d', '--name', 'tug', image, 'sh', '-c', script]);
    await waitUntil('it listens to signals', async () => {
      return (await agent.docker(['logs', 'tug'])).stdout === 'waiting\n';
    });
    const apart = agent.startDocker(['attach', '--sig-proxy=false', 'tug']);
    await waitUntil('it is attached', async () => (await told('attach', 'tug')) === 1);
    process.kill(apart.pid, 'SIGTERM');
    const close = agent.startDocker(['attach', 'tug']);
    await waitUntil('both were attached', async () => (await told('attach', 'tug')) === 2);
    assert.equal(await told('kill', 'tug'), 0);
    await apart.end('SIGKILL');
    assert.equal((await agent.docker(['inspect', '-f', '{{.State.Running}}', 'tug'])).stdout, 'true\n');
    assert.equal((await close.end('SIGTERM')).code, 7);
    assert.match(close.output(), /caught/);
    await agent.docker(['rm', 'tug']);
  });

  test('detach keys leave a container running, by the agent as well', async () => {
    await agent.docker(['run', '-dit', '--name', 'dory', image, 'sh']);
    const path = '/containers/dory/attach?stream=1&stdin=1&stdout=1';
    for (const [keys, typed] of [
      ['', '\x10\x11'],
      ['ctrl-a,x', '\x01x'],
    ] as const) {
      const client = await openEngineStream(
        agent.socket,
        `${path}&detachKeys=${encodeURIComponent(keys)}`,
        {},
      );
      client.socket.write('echo $((40+2))\r');
      await client.until(/\r\n42\r\n/);
      client.socket.write(typed);
      await client.end();
    }
    assert.equal((await agent.docker(['inspect', '-f', '{{.State.Running}}', 'dory'])).stdout, 'true\n');
    await waitUntil('both have detached', async () => (await told('detach', 'dory')) === 2);
    const wrong = await callEngineAt(agent.socket, 'POST', `${path}&detachKeys=ctrl-1`);
    assert.deepEqual(
      [wrong.status, JSON.parse(wrong.text).message],
      [400, 'Invalid detach keys (ctrl-1) provided'],
    );
    await agent.docker(['rm', '-f', 'dory']);
  });

  test('a client that asks for no upgrade reads the output until the end', async () => {
    await agent.docker(['create', '--name', 'gig', image, 'sh', '-c', 'echo out; echo err >&2']);
    const answer = callEngineAt(
      agent.socket,
      'POST',
      '/containers/gig/attach?stream=1&stdout=1&stderr=1&logs=1',
    );
    await waitUntil('it is attached', async () => (await told('attach', 'gig')) === 1);
    await agent.docker(['start', 'gig']);
    const { status, text, headers } = await answer;
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/vnd.docker.raw-stream');
    assert.ok(text.includes('out\n') && text.includes('err\n'));
    await agent.docker(['rm', 'gig']);
  });
});
