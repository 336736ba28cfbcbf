import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { agentMounts } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { besideDockerd } from '../support/beside-dockerd.ts';
import { startDockerd } from '../support/dockerd.ts';
import { callEngineAt } from '../support/engine-call.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const STATE = '{{.State.Status}} {{.State.Paused}} {{.State.Running}} {{.State.ExitCode}}';

describe('control of containers', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const dockerd = await startDockerd({ after });
  await dockerd.docker(['pull', '--quiet', image]);
  const { same, sameBut } = besideDockerd(agent, dockerd);
  const RUN = ['run', '-d', '--network=none'];
  const state = (name: string) => ['inspect', '-f', STATE, name];
  const out = async (...args: string[]) => (await agent.docker(args)).stdout.trim();

  test('pause and unpause', async () => {
    const since = String(Math.floor(Date.now() / 1000) + 1);
    await waitUntil('a new second begins', () => Date.now() >= Number(since) * 1000);
    await same(
      [...RUN, '--name', 'buoy', image, 'sleep', '10000'],
      ['pause', 'buoy'],
      ['pause', 'buoy'],
      ['ps', '--format', '{{.Names}} {{.Status}} {{.State}}'],
      ['ps', '--filter', 'status=paused', '--format', '{{.Names}}'],
      state('buoy'),
      ['exec', 'buoy', 'true'],
      ['start', 'buoy'],
      ['attach', 'buoy'],
      ['rm', 'buoy'],
      ['info', '-f', '{{.ContainersPaused}} {{.ContainersRunning}}'],
      ['unpause', 'buoy'],
      ['unpause', 'buoy'],
      state('buoy'),
      ['exec', 'buoy', 'echo', 'goes on'],
      ['pause', 'buoy'],
      ['stop', '-t', '1', 'buoy'],
      state('buoy'),
      ['pause', 'buoy'],
      ['unpause', 'buoy'],
      ['pause', 'nosuch'],
      ['unpause', 'nosuch'],
      ['start', 'buoy'],
      ['pause', 'buoy'],
      ['kill', 'buoy'],
      state('buoy'),
      ['start', 'buoy'],
      ['pause', 'buoy'],
      ['kill', '-s', 'HUP', 'buoy'],
      { args: state('buoy'), until: /running/ },
      ['pause', 'buoy'],
      ['restart', '-t', '0', 'buoy'],
      state('buoy'),
      ['pause', 'buoy'],
      ['rm', '-f', 'buoy'],
    );
    const until = String(Math.floor(Date.now() / 1000) + 1);
    const actions = async (daemon: Pick<typeof agent, 'docker'>) => {
      const { stdout } = await daemon.docker([
        ...['events', '--since', since, '--until', until, '--filter', 'type=container'],
        ...[
          '--format',
          '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.signal}} {{.Actor.Attributes.exitCode}}',
        ],
      ]);
      // dockerd tells of the signal and of going on from two tasks, in any order.
      return stdout
        .split('\n')
        .filter((line) => /^(un)?pause|^(start|kill|restart|destroy)/.test(line))
        .sort();
    };
    assert.deepEqual(await actions(agent), await actions(dockerd));
  });

  test('rename', async () => {
    const since = String(Math.floor(Date.now() / 1000));
    await same(
      [...RUN, '--name', 'clipper', image, 'sleep', '10000'],
      ['create', '--name', 'schooner', image],
      ['rename', 'clipper', 'cutter'],
      ['inspect', '-f', '{{.Name}} {{.State.Status}}', 'cutter'],
      ['inspect', 'clipper'],
      ['rename', 'cutter', 'cutter'],
      ['rename', 'cutter', 'schooner'],
      ['rename', 'cutter', '-x'],
      ['rename', 'cutter', '/x'],
      ['rename', 'cutter', ''],
      ['rename', 'nosuch', 'other'],
      ['rename', 'schooner', 'clipper'],
      ['ps', '-a', '--format', '{{.Names}}'],
      ['exec', 'cutter', 'echo', 'here'],
    );
    const event = await out(
      'events',
      '--since',
      since,
      '--until',
      // A duration is told in whole seconds, which would leave out what has just happened.
      String(Math.ceil(Date.now() / 1000)),
      '--filter',
      'event=rename',
      '--format',
      '{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}',
    );
    assert.deepEqual(event.split('\n'), ['/clipper cutter', '/schooner clipper']);
    await agent.kill();
    await agent.restart();
    assert.equal(await out('ps', '-a', '--format', '{{.Names}}'), 'clipper\ncutter');
    await same(['rm', '-f', 'cutter', 'clipper'], ['create', '--name', 'cutter', image], ['rm', 'cutter']);
  });

  test('a renamed container is found by its new name', async () => {
    const { docker } = agent;
    await docker(['network', 'create', 'harbour']);
    await docker(['run', '-d', '--network', 'harbour', '--name', 'old', image, 'sleep', '10000']);
    await docker(['run', '-d', '--network', 'harbour', '--name', 'seeker', image, 'sleep', '10000']);
    const finds = async (name: string) =>
      (await docker(['exec', 'seeker', 'nslookup', name], { expectExit: 'any' })).exitCode === 0;
    await waitUntil('it is found', () => finds('old.'));
    await docker(['rename', 'old', 'new']);
    await waitUntil('it is found by its new name', () => finds('new.'));
    assert.equal(await finds('old.'), false);
    await docker(['rm', '-f', 'new', 'seeker']);
    await docker(['network', 'rm', 'harbour']);
  });

  test('update', async () => {
    const LIMITS =
      '{{.Memory}} {{.MemorySwap}} {{.MemoryReservation}} {{.NanoCpus}} {{.CpuShares}} {{.CpusetCpus}} {{json .RestartPolicy}}';
    const printed = await sameBut(
      [
        {
          reason: 'the words of the runtime',
          pattern: /(RUNTIME update failed|runc did not terminate).*\n(: unknown\n)?/g,
          by: 'FAILED',
        },
      ],
      [...RUN, '--name', 'tug', image, 'sleep', '10000'],
      ['update', '-m', '64m', 'tug'],
      ['update', '-m', '64m', '--memory-swap', '128m', 'tug'],
      ['update', '-m', '256m', 'tug'],
      ['update', '-m', '256m', '--memory-swap', '512m', 'tug'],
      ['update', '-m', '1m', 'tug'],
      ['update', '--memory-reservation', '32m', 'tug'],
      ['update', '--cpus', '0.5', 'tug'],
      ['update', '--cpu-quota', '10000', 'tug'],
      ['update', '--cpu-period', '10000', 'tug'],
      ['update', '--cpus', '99', 'tug'],
      ['update', '--cpu-shares', '512', 'tug'],
      ['update', '--cpuset-cpus', '0', 'tug'],
      ['update', '--cpuset-cpus', '99', 'tug'],
      ['update', '--cpuset-cpus', 'x', 'tug'],
      ['update', '--pids-limit', '50', 'tug'],
      ['update', '--pids-limit', '-1', 'tug'],
      ['update', '--restart', 'always', 'tug'],
      ['update', '--restart', 'on-failure:3', 'tug'],
      ['update', '--restart', 'bogus', 'tug'],
      ['update', '--restart', 'no', 'tug'],
      ['update', '--cpus', '1', 'nosuch'],
      ['inspect', '-f', `{{with .HostConfig}}${LIMITS}{{end}}`, 'tug'],
      [...RUN, '--rm', '--name', 'brief', image, 'sleep', '10000'],
      ['update', '--restart', 'always', 'brief'],
      ['rm', '-f', 'brief'],
    );
    assert.match(printed.at(-4) ?? '', /268435456 536870912 33554432 500000000 512 0 /);
    const limits =
      'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares cpuset/cpuset.cpus pids/pids.max 2>/dev/null || cat memory.max memory.swap.max cpu.max cpuset.cpus pids.max';
    await same(['exec', 'tug', 'sh', '-c', limits]);
    await agent.restart();
    assert.match(
      await out('inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}', 'tug'),
      /^268435456 512$/,
    );
    await same(
      ['stop', '-t', '0', 'tug'],
      ['update', '-m', '128m', 'tug'],
      ['start', 'tug'],
      ['exec', 'tug', 'sh', '-c', limits],
      ['rm', '-f', 'tug'],
    );
    await waitUntil('its mount is gone', async () =>
      (await agentMounts(agent)).every((mount) => !mount.includes('merged')),
    );
  });

  test('malformed updates are 400, each field', async () => {
    await agent.docker([...RUN, '--name', 'tug', image, 'sleep', '10000']);
    const numbers = [
      'BlkioWeight',
      'CpuPeriod',
      'CpuQuota',
      'CpuShares',
      'Memory',
      'MemoryReservation',
      'MemorySwap',
      'NanoCpus',
      'PidsLimit',
    ];
    for (const body of [
      ...numbers.map((name) => ({ [name]: 'x' })),
      ...numbers.map((name) => ({ [name]: 1.5 })),
      { CpusetCpus: 7 },
      { CpusetMems: '9' },
      { RestartPolicy: 'always' },
      { RestartPolicy: { Name: 7 } },
      { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } },
      { BlkioWeight: 5 },
      { CpuPeriod: 5 },
    ]) {
      const { status, text } = await callEngineAt(agent.socket, 'POST', '/containers/tug/update', body);
      assert.equal(status, 400, `${JSON.stringify(body)}: ${text}`);
      assert.equal(typeof JSON.parse(text).message, 'string');
    }
    const refused = await callEngineAt(agent.socket, 'POST', '/containers/tug/update', { Devices: [{}] });
    assert.equal(refused.status, 501);
    await agent.docker(['rm', '-f', 'tug']);
  });

  test('container prune', async () => {
    const sizes = [
      { reason: 'a layer is counted otherwise', pattern: /Total reclaimed space: .*/g, by: 'SPACE' },
    ];
    await sameBut(
      sizes,
      [...RUN, '--name', 'runs', image, 'sleep', '10000'],
      ['create', '--name', 'aa', '--label', 'k=1', image],
      ['create', '--name', 'bb', '--label', 'k=2', image],
      ['create', '--name', 'cc', image],
      ['container', 'prune', '-f', '--filter', 'label=k=1'],
      ['ps', '-a', '--format', '{{.Names}}'],
      ['container', 'prune', '-f', '--filter', 'label!=k'],
      ['ps', '-a', '--format', '{{.Names}}'],
      ['container', 'prune', '-f', '--filter', 'until=1h'],
      ['ps', '-a', '--format', '{{.Names}}'],
      ['container', 'prune', '-f', '--filter', 'nosuch=1'],
      ['container', 'prune', '-f', '--filter', 'until=x'],
      ['container', 'prune', '-f'],
      ['container', 'prune', '-f'],
      ['ps', '-a', '--format', '{{.Names}}'],
      ['rm', '-f', 'runs'],
    );
  });
});
