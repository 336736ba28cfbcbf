import assert from 'node:assert/strict';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

describe('inside the container', { skip: unlessRoot(), timeout: 3_600_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const sh = async (script: string, ...flags: string[]) =>
    (await docker(['run', '--rm', ...flags, image, 'sh', '-c', script])).stdout;

  test('other processes cannot be seen', async () => {
    await docker(['run', '-d', '--name', 'neighbour', image, 'sleep', '100000']);
    const processes = (
      await sh('cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls -d /proc/[0-9]* | wc -l')
    ).trim();
    assert.doesNotMatch(processes, /sleep|node|systemd/);
    assert.ok(Number(processes.split(/\s+/).at(-1)) <= 4, processes);
    await docker(['rm', '-f', 'neighbour']);
  });

  test('the hostname is its own', async () => {
    const name = (await sh('hostname; cat /etc/hostname')).trim().split('\n');
    assert.match(name[0] ?? '', /^[0-9a-f]{12}$/);
    assert.equal(name[1], name[0]);
    assert.notEqual(name[0], hostname());
  });

  test('namespaces, capabilities and seccomp are those of Docker', async () => {
    const own = await sh('for n in pid mnt uts ipc net; do readlink /proc/self/ns/$n; done');
    for (const namespace of own.trim().split('\n')) {
      const name = namespace.split(':')[0];
      assert.notEqual(await readlink(`/proc/self/ns/${name}`), namespace);
    }
    const status = await sh('grep -E "^(CapEff|CapBnd|Seccomp|NoNewPrivs):" /proc/self/status');
    assert.match(status, /CapEff:\s+00000000a80425fb/);
    assert.match(status, /CapBnd:\s+00000000a80425fb/);
    assert.match(status, /Seccomp:\s+2/);
    assert.match(status, /NoNewPrivs:\s+0/);
    const { exitCode } = await docker(['run', '--rm', image, 'unshare', '-U', 'true'], { expectExit: 'any' });
    assert.notEqual(exitCode, 0);
  });

  test('without a network there is loopback and nothing else', async () => {
    const { stdout } = await docker(['run', '--rm', '--network=none', image, 'ip', '-o', 'addr']);
    assert.match(stdout, /^1: lo +inet 127\.0\.0\.1/);
    assert.doesNotMatch(stdout, /eth0/);
  });

  test('masked paths tell nothing, system paths are read-only', async () => {
    assert.equal(await sh('wc -c < /proc/keys; ls /sys/firmware | wc -l'), '0\n0\n');
    assert.equal(
      await sh('touch /sys/x 2>/dev/null || echo no; echo 1 2>/dev/null > /proc/sys/kernel/panic || echo no'),
      'no\nno\n',
    );
  });

  test('a write reaches neither the image nor another container', async () => {
    await docker([
      'run',
      '-d',
      '--name',
      'writer',
      image,
      'sh',
      '-c',
      'echo x > /bin/added; rm /bin/ls; echo done; sleep 100000',
    ]);
    const follow = agent.startDocker(['logs', '-f', 'writer']);
    await follow.waitForLine(/done/);
    assert.equal(await sh('ls /bin/added 2>/dev/null; ls -d /bin/ls'), '/bin/ls\n');
    await docker(['rm', '-f', 'writer']);
    await docker(['run', '--rm', '--read-only', image, 'touch', '/x'], { expectExit: 1 });
  });

  test('a memory limit kills: 137, and inspect says why', async () => {
    const hog = 'x=a; while :; do x=$x$x; done';
    await docker(['run', '--name', 'hog', '-m', '16m', image, 'sh', '-c', hog], { expectExit: 137 });
    const { stdout } = await docker(['inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'hog']);
    assert.equal(stdout, 'true 137\n');
    await docker(['rm', 'hog']);
    await docker(['run', '--name', 'fine', '-m', '16m', image, 'true']);
    assert.equal((await docker(['inspect', '-f', '{{.State.OOMKilled}}', 'fine'])).stdout, 'false\n');
    await docker(['rm', 'fine']);
  });

  test('a fork bomb stops at the limit of processes', async () => {
    const bomb = 'i=0; while [ $i -lt 60 ]; do sleep 60 & i=$((i+1)); done; echo all';
    const { stdout, stderr } = await docker(['run', '--rm', '--pids-limit', '20', image, 'sh', '-c', bomb], {
      expectExit: 'any',
    });
    assert.match(stderr, /can't fork/);
    assert.doesNotMatch(stdout, /all/);
  });

  test('limits are in the cgroup', async () => {
    await docker([
      'run',
      '-d',
      '--name',
      'limited',
      '-m',
      '64m',
      '--cpus',
      '0.5',
      '--pids-limit',
      '50',
      image,
      'sleep',
      '100000',
    ]);
    const pid = (await docker(['inspect', '-f', '{{.State.Pid}}', 'limited'])).stdout.trim();
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8');
    const read = async (controller: string, v1: string, v2: string) => {
      const own = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, 'm').exec(groups)?.[1];
      const path = own ? `${controller}${own}/${v1}` : `${/^0::(.*)$/m.exec(groups)?.[1]}/${v2}`;
      return (await readFile(`/sys/fs/cgroup/${path}`, 'utf8')).trim();
    };
    assert.equal(await read('memory', 'memory.limit_in_bytes', 'memory.max'), String(64 << 20));
    assert.equal(await read('pids', 'pids.max', 'pids.max'), '50');
    assert.match(await read('cpu', 'cpu.cfs_quota_us', 'cpu.max'), /^50000( 100000)?$/);
    await docker(['rm', '-f', 'limited']);
  });
});
