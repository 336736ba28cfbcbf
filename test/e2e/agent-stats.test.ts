import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

describe('docker top and docker stats', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const { same, sameBut } = besideDockerd(agent, dockerd);
  const out = async (...args: string[]) => (await agent.docker(args)).stdout.trim();
  const RUN = ['run', '-d', '--network=none'];

  test('top', async () => {
    const top = (more: { readonly until?: RegExp }, ...args: readonly string[]) => ({
      args: ['top', 'tug', ...args],
      inAnyOrder: true,
      ...more,
    });
    await sameBut(
      [
        { reason: 'pids and times are of the host', pattern: /\b\d+([:.]\d+)*\b/g, by: 'N' },
        { reason: 'columns are as wide as numbers are long', pattern: / +/g, by: ' ' },
      ],
      [...RUN, '--name', 'tug', image, 'sleep', '100000'],
      ['exec', '-d', 'tug', 'sh', '-c', 'sleep 7777; true'],
      // The container's own command runs, and the shell's has been started by it.
      top({ until: /^(?=(?:.|\n)* sleep 100000\n)(?=(?:.|\n)* sleep 7777\n)/ }),
      top({}, '-o', 'pid,comm'),
      top({}, '-o', 'pid,args'),
      top({}, 'u'),
      top({}, '-eo', 'user,args'),
      top({}, '-o', 'user=PID'),
      top({}, 'bogus'),
      top({}, 'f'),
      ['top', 'nosuch'],
      ['create', '--name', 'idle', image],
      ['top', 'idle'],
      ['rm', 'idle'],
      ['pause', 'tug'],
      top({}, '-o', 'pid,comm'),
      ['unpause', 'tug'],
    );
    const pid = await out('inspect', '-f', '{{.State.Pid}}', 'tug');
    const rows = (await out('top', 'tug', '-o', 'pid,comm')).split('\n').map((row) => row.trim().split(/ +/));
    assert.ok(
      rows.some(([number, command]) => number === pid && command === 'sleep'),
      JSON.stringify(rows),
    );
    assert.equal(rows.length, 4);
  });

  test('stats, once', async () => {
    await sameBut(
      [{ reason: 'memory is what it is', pattern: /[\d.]+(KiB|MiB|%)/g, by: 'N' }],
      [
        'stats',
        '--no-stream',
        '--format',
        '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.PIDs}}',
        'tug',
      ],
      ['stats', '--no-stream', 'nosuch'],
      ['create', '--name', 'idle', image],
      [
        'stats',
        '--no-stream',
        '--format',
        '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.PIDs}}',
        'idle',
      ],
      ['rm', 'idle'],
      ['rm', '-f', 'tug'],
    );
  });

  test('stats tell of memory, limits, processors and the network', async () => {
    const script = 'head -c 30000000 /dev/zero > /dev/shm/x; while :; do :; done';
    await agent.docker([
      'run',
      '-d',
      '--name',
      'busy',
      '-m',
      '64m',
      '--pids-limit',
      '20',
      image,
      'sh',
      '-c',
      script,
    ]);
    await agent.docker(['network', 'create', 'lane']);
    await agent.docker(['network', 'connect', 'lane', 'busy']);
    await waitUntil('the memory is taken, and head has ended', async () => {
      const { text } = await callEngineAt(agent.socket, 'GET', '/containers/busy/stats?stream=0&one-shot=1');
      const { memory_stats, pids_stats } = JSON.parse(text);
      return memory_stats.usage > 30_000_000 && pids_stats.current === 1;
    });
    const { status, text } = await callEngineAt(agent.socket, 'GET', '/v1.45/containers/busy/stats?stream=0');
    assert.equal(status, 200);
    const stats = JSON.parse(text);
    assert.equal(stats.name, '/busy');
    assert.equal(stats.id, await out('inspect', '-f', '{{.Id}}', 'busy'));
    assert.equal(stats.memory_stats.limit, 64 << 20);
    assert.ok(stats.memory_stats.usage < 64 << 20);
    assert.deepEqual([stats.pids_stats.limit, stats.pids_stats.current], [20, 1]);
    assert.deepEqual(Object.keys(stats.networks), ['eth0', 'eth1']);
    const spent = (when: string) => stats[when].cpu_usage.total_usage;
    assert.ok(spent('cpu_stats') > spent('precpu_stats') && spent('precpu_stats') > 0);
    assert.ok(stats.cpu_stats.system_cpu_usage > stats.precpu_stats.system_cpu_usage);
    assert.ok(Date.parse(stats.read) > Date.parse(stats.preread));
    const percent = Number.parseFloat(await out('stats', '--no-stream', '--format', '{{.CPUPerc}}', 'busy'));
    assert.ok(percent > 0, `${percent} %`);
    const both = await callEngineAt(agent.socket, 'GET', '/containers/busy/stats?stream=1&one-shot=1');
    assert.deepEqual(
      [both.status, JSON.parse(both.text).message],
      [400, 'cannot have stream=true and one-shot=true'],
    );
  });

  test('a stream goes on when the container stops and starts, and ends when it is removed', async () => {
    const client = agent.startDocker(['stats', '--format', '{{.Name}} pids={{.PIDs}}', 'busy']);
    await client.waitForLine(/busy pids=1/);
    await agent.docker(['kill', 'busy']);
    await client.waitForLine(/busy pids=0/);
    await agent.docker(['rename', 'busy', 'quiet']);
    await agent.docker(['start', 'quiet']);
    await client.waitForLine(/quiet pids=[1-9]/);
    assert.equal(client.exit(), undefined);
    await client.end('SIGTERM');
    const answer = await openStats(agent.socket, 'quiet');
    await agent.docker(['rm', '-f', 'quiet']);
    assert.match(await answer.rest(), /^(?:\{.*"name":"\/quiet".*\}\n)*$/);
    await agent.docker(['network', 'rm', 'lane']);
  });

  test('stats of all follow what comes and goes', async () => {
    await same([...RUN, '--name', 'one', image, 'sleep', '100000']);
    const client = agent.startDocker(['stats', '--format', '{{.Name}} pids={{.PIDs}}']);
    await client.waitForLine(/one pids=1/);
    await agent.docker([...RUN, '--name', 'two', image, 'sleep', '100000']);
    await client.waitForLine(/two pids=1/);
    await client.end('SIGTERM');
    await agent.docker(['rm', '-f', 'one', 'two']);
  });
});

/** A stream of samples of which the first has come; `rest` is what comes until it ends. */
async function openStats(socketPath: string, name: string): Promise<{ rest(): Promise<string> }> {
  const sent = request({ socketPath, path: `/containers/${name}/stats`, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks = response.setEncoding('utf8').iterator({ destroyOnReturn: false });
  let first = '';
  while (!first.endsWith('\n')) first += (await chunks.next()).value;
  assert.match(first, /"name":"\/quiet"/);
  return {
    rest: async () => {
      let text = '';
      for await (const chunk of chunks) text += chunk;
      return text;
    },
  };
}
