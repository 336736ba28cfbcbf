import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { startRegistry } from '../support/registry-process.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

// The kernel's one hierarchy of version 2, at the place where a host of that version has it. Controllers that are bound to
// version 1 on this machine are not in it.
const VERSION_2 = 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';

describe('an agent on cgroups of version 2 alone', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const registry = await startRegistry({ after });
  const image = `${registry.host}/team/busybox:1`;
  await pushLayout(await makeBusyboxImage(await imageFolder({ after })), image);
  const enter = ['unshare', '--mount', '--', 'sh', '-c', VERSION_2, 'sh'];
  const agent = await startAgent({ after }, { enter });
  const { docker } = agent;
  const out = async (...args: readonly string[]) => (await docker(args)).stdout;
  await docker(['pull', '--quiet', image]);
  /** As the agent sees it. */
  const root = () => `/proc/${agent.process().pid}/root/sys/fs/cgroup`;
  const controllers = (await readFile(`${root()}/cgroup.controllers`, 'latin1')).trim().split(' ');
  const has = (name: string) => controllers.includes(name);

  test('a container has a group of its own, and sees no other', async () => {
    assert.equal(await out('info', '--format', '{{.CgroupVersion}}'), '2\n');
    const own = await out('run', '--rm', image, 'cat', '/proc/self/cgroup');
    assert.match(own, /^0::\/$/m);
    const host = await out('run', '--rm', '--cgroupns', 'host', image, 'cat', '/proc/self/cgroup');
    assert.match(host, /^0::\/berth\/[0-9a-f]{64}$/m);
    const mounts = await out('run', '--rm', image, 'grep', ' /sys/fs/cgroup ', '/proc/mounts');
    assert.match(mounts, /^cgroup2? \/sys\/fs\/cgroup cgroup2 ro,/);
    const { exitCode } = await docker(['run', '--rm', image, 'mkdir', '/sys/fs/cgroup/x'], {
      expectExit: 'any',
    });
    assert.notEqual(exitCode, 0);
  });

  test('pause, stats, top, exec, update, events and the end', async () => {
    const busy = 'while :; do :; done & sleep 1000';
    const id = (await out('run', '-d', '--name', 'worker', image, 'sh', '-c', busy)).trim();
    const events = async () => readFile(`${root()}/berth/${id}/cgroup.events`, 'latin1');
    await docker(['pause', 'worker']);
    await waitUntil('it stands still', async () => /^frozen 1$/m.test(await events()));
    assert.match(await out('ps', '--format', '{{.Status}}'), /\(Paused\)/);
    await docker(['unpause', 'worker']);
    await waitUntil('it goes on', async () => /^frozen 0$/m.test(await events()));
    await waitUntil('it has used processor time', async () => {
      const cpu = await out('stats', '--no-stream', '--format', '{{.CPUPerc}}', 'worker');
      return Number.parseFloat(cpu) > 1;
    });
    assert.equal((await out('top', 'worker', '-o', 'pid,comm')).trim().split('\n').length, 3);
    assert.equal(
      await out('exec', 'worker', 'cat', '/proc/self/cgroup').then((text) => /^0::\/$/m.test(text)),
      true,
    );
    await agent.kill();
    await agent.restart();
    await docker(['stop', '-t', '0', 'worker']);
    assert.equal(
      await out('inspect', '-f', '{{.State.ExitCode}} {{.State.OOMKilled}}', 'worker'),
      '137 false\n',
    );
    await docker(['rm', 'worker']);
    await waitUntil('its group is gone', async () => !(await readdir(`${root()}/berth`)).includes(id));
  });

  test('devices are those that it was given', async () => {
    const look = 'cat /dev/null && mknod /tmp/control c 10 237 && ! head -c0 /tmp/control';
    await docker(['run', '--rm', '--cap-add', 'MKNOD', image, 'sh', '-c', look]);
    const given = ['--device', '/dev/loop-control:/dev/given:r'];
    await docker([
      'run',
      '--rm',
      ...given,
      image,
      'sh',
      '-c',
      'head -c0 /dev/given && ! sh -c ": > /dev/given"',
    ]);
  });

  test('limits hold, or are told to be left out where the kernel has no controller', async () => {
    const limits = [
      {
        flags: ['--memory', '64m'],
        name: 'memory',
        file: 'memory.max',
        value: '67108864',
        said: /memory limit/,
      },
      { flags: ['--pids-limit', '10'], name: 'pids', file: 'pids.max', value: '10', said: /PIDs limit/ },
      { flags: ['--cpus', '0.5'], name: 'cpu', file: 'cpu.max', value: '50000 100000', said: /CPU CFS/ },
      { flags: ['--cpuset-cpus', '0'], name: 'cpuset', file: 'cpuset.cpus', value: '0', said: /cpuset/ },
    ];
    assert.equal(
      await out('info', '--format', '{{.MemoryLimit}} {{.PidsLimit}} {{.CPUShares}} {{.CPUSet}}'),
      `${['memory', 'pids', 'cpu', 'cpuset'].map(has).join(' ')}\n`,
    );
    await docker(['run', '-d', '--name', 'changed', image, 'sleep', '1000']);
    const changes = ['--pids-limit', '20', '--memory', '64m', '--memory-swap', '64m'];
    const changed = await docker(['update', ...changes, 'changed']);
    assert.equal(/PIDs limit discarded/.test(`${changed.stdout}${changed.stderr}`), !has('pids'));
    await docker(['rm', '-f', 'changed']);
    for (const { flags, name, file, value, said } of limits) {
      const ran = await docker([
        'run',
        '--rm',
        ...flags,
        image,
        'sh',
        '-c',
        `cat /sys/fs/cgroup/${file} || :`,
      ]);
      if (has(name)) assert.equal(ran.stdout.trim(), value);
      else {
        assert.match(ran.stderr, said);
        assert.match(ran.stderr, /discarded\./);
      }
    }
  });
});
