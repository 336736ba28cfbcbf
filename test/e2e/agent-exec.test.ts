import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { callEngineAt, openEngineStream } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { processesOf } from '../support/processes-of.ts';
import { atTerminal } from '../support/script-terminal.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker exec', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const { same, sameBut } = besideDockerd(agent, dockerd);
  const HOLD = ['run', '-d', '--network=none', '--hostname=quay'];
  const out = async (...args: string[]) => (await agent.docker(args)).stdout;
  await same([...HOLD, '--name', 'cargo', '-e', 'FROM=run', '-w', '/tmp', image, 'sleep', '10000']);
  const { stdout: cargoId } = await agent.docker(['inspect', '-f', '{{.Id}}', 'cargo']);
  const call = (method: string, path: string, body?: object) =>
    callEngineAt(agent.socket, method, path, body);
  const create = async (cmd: readonly string[], more: object = {}) => {
    const { status, text } = await call('POST', '/containers/cargo/exec', { Cmd: cmd, ...more });
    assert.equal(status, 201, text);
    return String(JSON.parse(text).Id);
  };
  const inspect = async (id: string) => JSON.parse((await call('GET', `/exec/${id}/json`)).text);

  test('output follows when the client has read the head, which some read with all that came', async () => {
    const id = await create(['echo', 'out'], { AttachStdout: true, AttachStderr: true });
    const socket = connect(agent.socket);
    socket.pause();
    await once(socket, 'connect');
    const chunks: string[] = [];
    socket.setEncoding('latin1').on('data', (chunk: string) => chunks.push(chunk));
    const lines = [
      `POST /exec/${id}/start HTTP/1.1`,
      'Host: agent',
      'Connection: Upgrade',
      'Upgrade: tcp',
      'Content-Type: application/json',
      'Content-Length: 2',
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n{}`);
    await waitUntil('it has ended', async () => (await inspect(id)).ExitCode === 0);
    socket.resume();
    await once(socket, 'end');
    const [head = '', ...rest] = chunks;
    assert.match(head, /^HTTP\/1\.1 101 .*\r\n\r\n$/s);
    assert.equal(rest.join(''), '\x01\0\0\0\0\0\0\x04out\n');
    socket.destroy();
  });

  test('output, exit codes and input are as with dockerd', async () => {
    await same(
      ['exec', 'cargo', 'sh', '-c', 'echo out; exit 7'],
      ['exec', 'cargo', 'sh', '-c', 'echo err >&2'],
      ['exec', 'cargo', 'sh', '-c', 'kill -9 $$'],
      ['exec', 'cargo', 'true'],
      { args: ['exec', '-i', 'cargo', 'sh', '-c', 'wc -c; echo end'], input: 'x'.repeat(300_000) },
      { args: ['exec', 'cargo', 'cat'], input: 'not read' },
      { args: ['exec', '-i', 'cargo', 'true'], input: 'not read' },
      ['exec', 'cargo', 'sh', '-c', 'seq 200000 | md5sum'],
    );
    await sameBut(
      [{ reason: 'both wait for it for two seconds', pattern: /\nnow\n(late\n)?$/g, by: 'now, and late' }],
      ['exec', 'cargo', 'sh', '-c', '(sleep 0.5; echo late; exec sleep 4) & echo now'],
    );
    await waitUntil('what is said soon after the end is shown', async () => {
      const said = await out('exec', 'cargo', 'sh', '-c', '(sleep 0.1; echo late) & echo now');
      return said === 'now\nlate\n';
    });
  });

  test('input that is over before the command reads ends it, which dockerd at times forgets', async () => {
    for (let time = 0; time < 10; time += 1) {
      assert.equal(await out('exec', '-i', 'cargo', 'cat'), '');
      const counted = await agent.docker(['exec', '-i', 'cargo', 'sh', '-c', 'wc -c; exit 3'], {
        expectExit: 3,
      });
      assert.equal(counted.stdout, '0\n');
    }
  });

  test('environment, folder, user and rights are as with dockerd', async () => {
    const rights = 'id; umask; ulimit -c; grep -E "^(Cap|Groups|Seccomp:|NoNewPrivs)" /proc/self/status';
    await same(
      ['exec', 'cargo', 'env'],
      ['exec', '-e', 'A=b', '-e', 'FROM=exec', '-e', 'HOME=/x', 'cargo', 'env'],
      ['exec', '-u', 'nobody', 'cargo', 'env'],
      ['exec', 'cargo', 'pwd'],
      ['exec', '-w', '/etc', 'cargo', 'pwd'],
      ['exec', 'cargo', 'sh', '-c', rights],
      ['exec', '-u', '1000', 'cargo', 'sh', '-c', rights],
      ['exec', '-u', '1000:3000', 'cargo', 'sh', '-c', rights],
      ['exec', '-u', 'nobody:root', 'cargo', 'sh', '-c', rights],
      ['exec', '--privileged', 'cargo', 'sh', '-c', rights],
      ['exec', '-u', '1000', 'cargo', 'sh', '-c', 'echo to > /dev/stdout'],
      ['exec', 'cargo', 'sh', '-c', 'ls /proc/self/fd | wc -l'],
      [
        ...HOLD,
        '--name',
        'bound',
        '--cap-drop',
        'ALL',
        '--security-opt',
        'no-new-privileges',
        '--ulimit',
        'nofile=100:200',
        '-u',
        '1000',
        '--group-add',
        '5',
        image,
        'sleep',
        '10000',
      ],
      ['exec', 'bound', 'sh', '-c', `${rights}; ulimit -n; ulimit -Hn`],
      ['exec', '-u', '0', 'bound', 'sh', '-c', rights],
      ['rm', '-f', 'bound'],
    );
  });

  test('what cannot run is told as dockerd tells it', async () => {
    await same(
      ['exec', 'cargo', 'nosuch'],
      ['exec', 'cargo', '/nosuch/x'],
      ['exec', 'cargo', '/etc/passwd'],
      ['exec', 'cargo', ''],
      ['exec', '-d', 'cargo', 'nosuch'],
      ['exec', '-w', '/nosuch', 'cargo', 'pwd'],
      ['exec', '-w', 'relative', 'cargo', 'pwd'],
      ['exec', '-u', 'nosuch', 'cargo', 'true'],
      ['exec', '-u', '0:nosuch', 'cargo', 'true'],
      ['exec', '-u', '4294967296', 'cargo', 'true'],
      ['exec', 'nosuch', 'true'],
      ['exec', '--detach-keys', 'ctrl-1', '-it', 'cargo', 'true'],
      ['create', '--name', 'idle', image],
      ['exec', 'idle', 'true'],
      ['rm', 'idle'],
    );
    await sameBut(
      [
        {
          reason: 'dockerd has its words in another order',
          pattern: /(: permission denied|: unknown)/g,
          by: '',
        },
        {
          reason: 'dockerd guesses at a wrong cause',
          pattern: /: Are you trying to mount a directory.*/g,
          by: '',
        },
      ],
      ['exec', 'cargo', '/bin'],
      ['exec', '-w', '/etc/passwd', 'cargo', 'pwd'],
    );
  });

  test('events and inspect are as with dockerd', async () => {
    const since = String(Math.floor(Date.now() / 1000) + 1);
    await waitUntil('a new second begins', () => Date.now() >= Number(since) * 1000);
    await same(['exec', 'cargo', 'sh', '-c', 'exit 3'], ['exec', '-d', 'cargo', 'true'], {
      args: ['inspect', '-f', '{{json .ExecIDs}}', 'cargo'],
      until: /^null$/m,
    });
    const show = async ({ docker }: Pick<typeof agent, 'docker'>) => {
      const until = String(Math.ceil(Date.now() / 1000));
      const filters = [
        '--since',
        since,
        '--until',
        until,
        '--filter',
        'container=cargo',
        '--filter',
        'type=container',
      ];
      const { stdout } = await docker(['events', ...filters, '--format', '{{json .}}']);
      const events = stdout.split('\n').filter((line) => line.includes('exec_'));
      return events
        .map((line) => JSON.parse(line))
        .map(({ Action, Actor: { Attributes } }) => ({
          Action,
          ...Attributes,
          execID: typeof Attributes.execID,
        }))
        .map((event) => JSON.stringify(event, Object.keys(event).sort()))
        .sort();
    };
    const told = async (daemon: Pick<typeof agent, 'docker'>) => (await show(daemon)).length === 6;
    await waitUntil('both have told all', async () => (await told(agent)) && (await told(dockerd)));
    assert.deepEqual(await show(agent), await show(dockerd));
  });

  test('a terminal has the size of the client, and the command its exit code', async () => {
    const { stdout, exitCode } = await atTerminal(
      `docker -H ${agent.host} exec -it cargo sh -c 'tty; until stty size < /dev/tty 2>/dev/null | grep "31 97"; do sleep 0.1; done; echo $TERM; exit 5'`,
      { rows: 31, columns: 97, expectExit: 5 },
    );
    assert.equal(exitCode, 5);
    assert.match(stdout, /\/dev\/pts\/\d+\r\n31 97\r\nxterm\r\n/);
    const failed = await atTerminal(`docker -H ${agent.host} exec -t cargo nosuch`, { expectExit: 126 });
    assert.match(failed.stdout, /exec: "nosuch": executable file not found in \$PATH/);
  });

  test('what is typed reaches the process', async () => {
    const id = await create(['sh', '-c', 'read line; echo "got $line"; read more; echo no'], {
      ...{ AttachStdin: true, AttachStdout: true, Tty: true, ConsoleSize: [40, 132] },
    });
    const client = await openEngineStream(agent.socket, `/exec/${id}/start`, { Detach: false, Tty: true });
    client.socket.write('anchor\r');
    await client.until(/got anchor\r\n/);
    const { Pid } = await inspect(id);
    assert.match(await readFile(`/proc/${Pid}/cmdline`, 'latin1'), /read line/);
    client.socket.write('\x10\x11');
    await client.end();
    assert.equal((await inspect(id)).Running, true, 'who detaches leaves the command running');
    process.kill(Pid, 'SIGKILL');
    await waitUntil('its end is seen', async () => (await inspect(id)).ExitCode === 137);
    const again = await call('POST', `/exec/${id}/start`, { Detach: false, Tty: true });
    assert.deepEqual(
      [again.status, JSON.parse(again.text).message],
      [409, `Error: Exec command ${id} has already run`],
    );
  });

  test('a client that asks for no upgrade has the connection all the same', async () => {
    const body = '{"Detach":false,"Tty":false}';
    for (const [framing, sent] of [
      [`Content-Length: ${body.length}`, body],
      ['Transfer-Encoding: chunked', `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
    ]) {
      const id = await create(['sh', '-c', 'cat; echo out; echo err >&2'], {
        ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true },
      });
      const client = connect({ path: agent.socket, allowHalfOpen: true });
      client.write('GET /_ping HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(client, 'readable');
      const head = `POST /exec/${id}/start HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${framing}`;
      client.end(`${head}\r\n\r\n${sent}input\n`);
      const text = (await client.setEncoding('latin1').toArray()).join('');
      assert.match(text, /HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
      assert.ok(text.includes('input\n') && text.includes('out\n') && text.includes('err\n'), text);
      assert.deepEqual([(await inspect(id)).Running, (await inspect(id)).ExitCode], [false, 0]);
    }
  });

  test('malformed bodies are 400, each field', async () => {
    const wrong: readonly object[] = [
      { Cmd: 7 },
      { Cmd: [7] },
      { Cmd: [] },
      {},
      ...['User', 'WorkingDir', 'DetachKeys'].map((name) => ({ Cmd: ['true'], [name]: 7 })),
      ...['Tty', 'Privileged', 'AttachStdin', 'AttachStdout', 'AttachStderr'].map((name) => ({
        Cmd: ['true'],
        [name]: 'yes',
      })),
      { Cmd: ['true'], Env: 'A=b' },
      { Cmd: ['true'], Env: ['=b'] },
      { Cmd: ['true'], DetachKeys: 'ctrl-1' },
      { Cmd: ['true'], ConsoleSize: [1] },
      { Cmd: ['a\0b'] },
      { Cmd: ['true'], WorkingDir: '/a\0b' },
    ];
    for (const body of wrong) {
      const { status, text } = await call('POST', '/containers/cargo/exec', body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.equal(typeof JSON.parse(text).message, 'string');
    }
    const id = await create(['true']);
    for (const body of [{ Detach: 1 }, { Tty: 'x' }, { ConsoleSize: 'x' }]) {
      assert.equal((await call('POST', `/exec/${id}/start`, body)).status, 400, JSON.stringify(body));
    }
    for (const query of ['', '?h=1', '?h=1&w=x', '?h=1&w=70000']) {
      assert.equal((await call('POST', `/exec/${id}/resize${query}`)).status, 400, query);
    }
    for (const [method, path] of [
      ['GET', 'json'],
      ['POST', 'start'],
      ['POST', 'resize?h=1&w=1'],
    ] as const) {
      const body = path === 'start' ? {} : undefined;
      const { status, text } = await call(method, `/exec/nosuch/${path}`, body);
      assert.deepEqual([status, JSON.parse(text).message], [404, 'No such exec instance: nosuch']);
    }
  });

  test('no folder leads out of the container', async () => {
    await agent.docker(['exec', 'cargo', 'ln', '-s', '/proc/1/cwd/../../../../..', '/tmp/out']);
    await agent.docker(['exec', 'cargo', 'ln', '-s', '/', '/tmp/root']);
    const hostOnly = agent.dataDir;
    for (const folder of [
      '/tmp/out',
      '/tmp/root',
      '/../../..',
      ...Array.from({ length: 30 }, (_, fd) => `/proc/self/fd/${fd}`),
    ]) {
      const { stdout } = await agent.docker(
        [
          'exec',
          '-w',
          folder,
          'cargo',
          'sh',
          '-c',
          `ls -d .${hostOnly} ..${hostOnly} ../../..${hostOnly} 2>/dev/null; pwd`,
        ],
        { expectExit: 'any' },
      );
      assert.ok(!stdout.includes(hostOnly), `${folder}: ${stdout}`);
    }
  });

  test('fifty at once, each with its own output', async () => {
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        out('exec', 'cargo', 'sh', '-c', `echo ${index}; exec sleep 0.1`),
      ),
    );
    assert.deepEqual(
      results,
      results.map((_, index) => `${index}\n`),
    );
  });

  test('a client that hangs up leaves the command running; its end leaves nothing', async () => {
    const files = async () => (await readdir(`/proc/${agent.process().pid}/fd`)).length;
    await waitUntil(
      'nothing runs but the container',
      async () => (await processesOf(cargoId.trim())).length === 1,
    );
    const before = await files();
    const ids: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      const tty = round % 2 === 0;
      const id = await create(['sh', '-c', 'while :; do echo tick; sleep 0.01; done'], {
        ...{ AttachStdin: true, AttachStdout: true, Tty: tty },
      });
      ids.push(id);
      const client = await openEngineStream(agent.socket, `/exec/${id}/start`, { Detach: false, Tty: tty });
      if (round % 3 === 0) await client.until(/tick/);
      client.socket.destroy();
    }
    // Until the runtime has made it, an exec that runs has no process.
    const pids: number[] = [];
    for (const id of ids) {
      await waitUntil('it has a process', async () => (await inspect(id)).Pid > 0);
      const { Running, Pid } = await inspect(id);
      assert.equal(Running, true);
      pids.push(Pid);
    }
    const shown: readonly string[] = JSON.parse(await out('inspect', '-f', '{{json .ExecIDs}}', 'cargo'));
    assert.deepEqual(shown.slice(-ids.length), ids);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await waitUntil('all have ended', async () => {
      const all = await Promise.all(ids.map(inspect));
      return all.every(({ Running }) => !Running);
    });
    await waitUntil(
      'what they have started is over',
      async () => (await processesOf(cargoId.trim())).length === 1,
    );
    await waitUntil('their descriptors are closed', async () => (await files()) <= before);
    await waitUntil('their files are gone', async () => (await execFiles()).length === 0);
  });

  const execFiles = async () => {
    const bundle = join(runDirectory(agent.dataDir), 'runs', cargoId.trim(), 'bundle');
    return (await readdir(bundle)).filter((name) => name.startsWith('exec-'));
  };

  test('a container that ends takes its execs with it', async () => {
    await agent.docker(['run', '-d', '--name', 'short', image, 'sleep', '10000']);
    const client = agent.startDocker(['exec', 'short', 'sh', '-c', 'echo up; exec sleep 10000']);
    await client.waitForLine(/up/);
    const id = (await out('inspect', '-f', '{{.Id}}', 'short')).trim();
    const exec = String(JSON.parse(await out('inspect', '-f', '{{json .ExecIDs}}', 'short'))[0]);
    await agent.docker(['kill', 'short']);
    assert.equal((await client.exited).code, 137);
    await waitUntil('nothing of it runs', async () => (await processesOf(id)).length === 0);
    assert.equal((await inspect(exec)).ExitCode, 137);
    await agent.docker(['rm', 'short']);
    assert.equal((await call('GET', `/exec/${exec}/json`)).status, 404);
  });

  test('an agent that is stopped ends execs with streams, and leaves the others', async () => {
    const attached = agent.startDocker(['exec', 'cargo', 'sh', '-c', 'echo up; exec sleep 10001']);
    await attached.waitForLine(/up/);
    await agent.docker(['exec', '-d', 'cargo', 'sleep', '10003']);
    await agent.docker(['exec', '-dt', 'cargo', 'sleep', '10004']);
    await agent.restart();
    await waitUntil('only what has no streams is left', async () => {
      const commands = await processesOf(cargoId.trim());
      return commands.join() === 'sleep 10000,sleep 10003';
    });
    assert.notEqual((await attached.exited).code, 0);
    await agent.docker(['exec', 'cargo', 'killall', '-9', 'sleep'], { expectExit: 'any' });
    await waitUntil('it is alone', async () => (await processesOf(cargoId.trim())).length === 1);
  });

  test('kill -9 of the agent: the container goes on, and execs with streams are gone after its restart', async () => {
    const attached = agent.startDocker(['exec', 'cargo', 'sh', '-c', 'echo up; exec sleep 10001']);
    await attached.waitForLine(/up/);
    await agent.docker(['exec', '-d', 'cargo', 'sleep', '10002']);
    await agent.kill();
    await agent.restart();
    await waitUntil('only what has no streams is left', async () => {
      const commands = await processesOf(cargoId.trim());
      return commands.join() === 'sleep 10000,sleep 10002';
    });
    await waitUntil('their files are gone', async () => (await execFiles()).length === 0);
    assert.equal(await out('exec', 'cargo', 'echo', 'again'), 'again\n');
    assert.ok((await agentMounts(agent)).length > 0);
  });
});
