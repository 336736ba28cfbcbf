import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { callEngineAt, openEngineStream } from '../support/engine-call.ts';
import { openTerminal } from '../support/open-terminal.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker run', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker, startDocker } = agent;
  const run = (args: readonly string[], options = {}) => docker(['run', '--rm', ...args], options);
  const noneIsLeft = async () => assert.equal((await docker(['ps', '--all', '--quiet'])).stdout, '');

  test('passes both streams and the exit code on', async () => {
    for (const code of [0, 3, 125, 255]) {
      const { stdout, stderr } = await run([image, 'sh', '-c', `echo out; echo err >&2; exit ${code}`], {
        expectExit: code,
      });
      assert.deepEqual([stdout, stderr], ['out\n', 'err\n']);
    }
    await noneIsLeft();
  });

  test('ends with 127 for a command that is missing, 126 for one that cannot be run', async () => {
    const missing = await run([image, 'nosuch'], { expectExit: 127 });
    assert.match(
      missing.stderr,
      /^docker: Error response from daemon: .*exec: "nosuch": executable file not found in \$PATH/,
    );
    const folder = await run([image, '/etc'], { expectExit: 126 });
    assert.match(folder.stderr, /permission denied/);
    await noneIsLeft();
  });

  test('ends with 125 for what the agent refuses', async () => {
    const { stderr } = await run(['--storage-opt', 'size=1G', image, 'true'], { expectExit: 125 });
    assert.match(
      stderr,
      /Error response from daemon: a storage option \(--storage-opt\) is not supported by berth-agent/,
    );
    await run(['--memory', '1m', image, 'true'], { expectExit: 125 });
    await run(['--name', '-x', image, 'true'], { expectExit: 125 });
    await run([`${image.replace(/:1$/, '')}:nosuch`, 'true'], { expectExit: 125 });
    await noneIsLeft();
  });

  test('pulls an image that is not here', async () => {
    await docker(['rmi', image]);
    const { stdout, stderr } = await run([image, 'echo', 'here']);
    assert.equal(stdout, 'here\n');
    assert.match(stderr, /Unable to find image/);
    assert.match(stderr, /Status: Downloaded newer image/);
  });

  test('gives the container what the client writes, to the last byte', async () => {
    const input = 'x'.repeat(300_000);
    const { stdout } = await run(['-i', image, 'sh', '-c', 'wc -c; echo end'], { input });
    assert.equal(stdout, '300000\nend\n');
  });

  test('loses no output, however much', async () => {
    const { stdout } = await run([image, 'sh', '-c', 'seq 200000']);
    assert.equal(stdout.length, 1_288_895);
    assert.ok(stdout.endsWith('\n200000\n'));
  });

  test('makes a terminal, of the size that the client has', async () => {
    const command = `stty rows 31 cols 97; exec docker -H ${agent.host} run --rm -it ${image} sh -c 'tty; stty size; sleep 1; stty size'`;
    const { stdout } = await runCommand('script', ['-qec', command, '/dev/null']);
    // script(1) types a NUL when its own input ends, which the terminal echoes.
    assert.match(stdout.replaceAll('^@', ''), /\/dev\/pts\/0\r\n31 97\r\n31 97\r\n/);
  });

  test('passes signals on', async () => {
    const client = startDocker([
      'run',
      '--rm',
      '--name',
      'signalled',
      image,
      'sh',
      '-c',
      'trap "echo caught; exit 7" TERM; echo waiting; while :; do sleep 0.1; done',
    ]);
    await client.waitForLine(/waiting/);
    const exit = await client.end('SIGTERM');
    assert.equal(exit.code, 7, client.output());
    assert.match(client.output(), /caught/);
    await noneIsLeft();
  });

  test('an attached client that sees the end finds the exit code', async () => {
    const call = async (method: string, path: string, body?: object) =>
      (await callEngineAt(agent.socket, method, path, body)).text;
    for (let round = 0; round < 20; round += 1) {
      const made = await call('POST', '/containers/create', {
        ...{ Image: image, Cmd: ['sh', '-c', 'exit 3'] },
        // To close its network takes longer then.
        HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '' }] } },
      });
      const container = `/containers/${JSON.parse(made).Id}`;
      const { socket } = await openEngineStream(agent.socket, `${container}/attach?stream=1&stdout=1`, {});
      const ended = once(socket, 'end');
      await call('POST', `${container}/start`);
      await ended;
      const { Status, ExitCode } = JSON.parse(await call('GET', `${container}/json`)).State;
      assert.deepEqual([Status, ExitCode], ['exited', 3], `round ${round}`);
      await call('DELETE', container);
    }
    await noneIsLeft();
  });

  test('ends with 128 and the number of the signal that ended the container', async () => {
    for (const [signal, code] of [
      ['KILL', 137],
      ['HUP', 129],
    ] as const) {
      const script = 'trap - HUP; echo waiting; exec sleep 100000';
      const client = startDocker(['run', '--rm', '--init', '--name', 'killed', image, 'sh', '-c', script]);
      await client.waitForLine(/waiting/);
      await docker(['kill', '--signal', signal, 'killed']);
      assert.equal((await client.exited).code, code, client.output());
    }
  });

  test('detaches on its keys, and attaches again', async () => {
    const first = openTerminal({ after }, `docker -H ${agent.host} run -it --name kept ${image} sh`);
    first.type('\recho $((40+2))\r');
    await first.until(/\r\n42\r\n/);
    first.type('\x10\x11');
    await first.ended;
    assert.equal((await docker(['inspect', '-f', '{{.State.Running}}', 'kept'])).stdout, 'true\n');
    const second = openTerminal({ after }, `docker -H ${agent.host} attach kept`);
    second.type('\recho $((3+4)); exit 5\r');
    await second.until(/\r\n7\r\n/);
    await second.ended;
    assert.equal((await docker(['wait', 'kept'])).stdout, '5\n');
    await docker(['rm', 'kept']);
  });

  test('takes variables, user, folder, entrypoint and labels', async () => {
    const { stdout } = await run([
      '-e',
      'A=b',
      '-u',
      '1000:1000',
      '-w',
      '/tmp',
      '--entrypoint',
      'sh',
      '--hostname',
      'quay',
      image,
      '-c',
      'echo $A $(id -u):$(id -g) $PWD $(hostname)',
    ]);
    assert.equal(stdout, 'b 1000:1000 /tmp quay\n');
  });

  test('removes with --rm only after the end, and the CLI waits for it', async () => {
    const script = 'while [ ! -e /go ]; do sleep 0.1; done';
    const client = startDocker(['run', '--rm', '--name', 'short', image, 'sh', '-c', script]);
    await waitUntil('it runs', async () => (await docker(['ps', '-q', '-f', 'name=short'])).stdout !== '');
    await docker(['exec', 'short', 'touch', '/go']);
    assert.equal((await client.exited).code, 0);
    await docker(['inspect', 'short'], { expectExit: 1 });
  });
});
