import assert from 'node:assert/strict';
import { access, readFile, readlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { hasApparmor } from '../../runtime-agent/oci-runner/apparmor.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { waitUntil } from '../support/wait-until.ts';
import { callEngine } from '../unit/runtime-agent/engine-api/fakes/call-engine.ts';

enterOwnNetwork();

describe('what a container has of the host', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const run = async (flags: readonly string[], script: string) =>
    (await docker(['run', '--rm', ...flags, image, 'sh', '-c', script])).stdout.trim();
  const refused = async (flags: readonly string[]) =>
    (await docker(['create', ...flags, image, 'true'], { expectExit: 'any' })).stderr;
  const start = async (name: string, ...flags: readonly string[]) =>
    docker(['run', '-d', '--name', name, ...flags, image, 'sleep', '100000']);
  const pidOf = async (name: string) =>
    (await docker(['inspect', '-f', '{{.State.Pid}}', name])).stdout.trim();
  const remove = async (...names: readonly string[]) => docker(['rm', '-f', ...names]);

  /** What a file of the container's cgroup says, on version 1. */
  const limit = async (name: string, controller: string, file: string) => {
    const groups = await readFile(`/proc/${await pidOf(name)}/cgroup`, 'utf8');
    const path = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, 'm').exec(groups)?.[1];
    return (await readFile(`/sys/fs/cgroup/${controller}${path}/${file}`, 'utf8')).trim();
  };

  test("the pid namespace: the host's, and another container's", async () => {
    assert.equal(
      await run(['--pid=host'], 'readlink /proc/self/ns/pid'),
      await readlink('/proc/self/ns/pid'),
    );
    await start('first');
    assert.equal(
      await run(['--pid=container:first'], 'readlink /proc/self/ns/pid'),
      await readlink(`/proc/${await pidOf('first')}/ns/pid`),
    );
    // It may be the runtime still, for a moment.
    await waitUntil('its process is seen', async () =>
      /^ +1 root .*sleep 100000/m.test(await run(['--pid=container:first'], 'ps')),
    );
    await remove('first');
    const gone = await docker(['run', '--rm', '--pid=container:first', image, 'true'], { expectExit: 125 });
    assert.match(gone.stderr, /No such container: first/);
  });

  test('a container that shares a pid namespace ends with what it started', async () => {
    await start('first');
    await docker(
      ['run', '--name', 'second', '--pid=container:first', image, 'sh', '-c', 'sleep 543 & exit 3'],
      {
        expectExit: 3,
      },
    );
    await remove('second');
    await waitUntil(
      'what it started is gone',
      async () => !/543/.test((await docker(['run', '--rm', '--pid=container:first', image, 'ps'])).stdout),
    );
    await remove('first');
  });

  test("the IPC namespace: host, shareable, another container's, none", async () => {
    assert.equal(
      await run(['--ipc=host'], 'readlink /proc/self/ns/ipc'),
      await readlink('/proc/self/ns/ipc'),
    );
    await start('donor', '--ipc=shareable', '--shm-size=8m');
    assert.equal(
      await run(['--ipc=container:donor'], 'echo hello > /dev/shm/x; readlink /proc/self/ns/ipc'),
      await readlink(`/proc/${await pidOf('donor')}/ns/ipc`),
    );
    assert.equal(
      await run(['--ipc=container:donor'], 'cat /dev/shm/x; df -k /dev/shm | tail -1 | awk "{print \\$2}"'),
      'hello\n8192',
    );
    await docker(['restart', '-t', '0', 'donor']);
    assert.equal(await run(['--ipc=container:donor'], 'ls /dev/shm'), '');
    await remove('donor');
    await start('private');
    const other = await docker(['run', '--rm', '--ipc=container:private', image, 'true'], {
      expectExit: 125,
    });
    assert.match(other.stderr, /failed to join IPC namespace: .*non-shareable IPC/);
    await docker(['stop', '-t', '0', 'private']);
    for (const [flag, kind] of [
      ['--pid', 'PID'],
      ['--ipc', 'IPC'],
    ] as const) {
      const { stderr } = await docker(['run', '--rm', `${flag}=container:private`, image, 'true'], {
        expectExit: 125,
      });
      assert.match(
        stderr,
        new RegExp(`failed to join ${kind} namespace: container [0-9a-f]{64} is not running`),
      );
    }
    await remove('private');
    assert.equal(await run(['--ipc=none'], 'ls /dev/shm 2>/dev/null || echo none'), 'none');
  });

  test("the host's name, and the cgroup namespace", async () => {
    assert.equal(await run(['--uts=host'], 'hostname'), hostname());
    assert.match(
      await refused(['--uts=host', '--hostname=mine']),
      /conflicting options: hostname and the UTS mode/,
    );
    assert.match(await run(['--cgroupns=private'], 'grep -c berth /proc/self/cgroup; true'), /^0$/);
    assert.match(await run(['--cgroupns=host'], 'grep -c berth /proc/self/cgroup'), /^[1-9]/);
    assert.equal(await run(['--userns=host'], 'echo fine'), 'fine');
  });

  test('devices: by path, elsewhere, with less access, and rules for those to come', async () => {
    const list = 'ls -l /dev/full2 | cut -c1-10; echo x 2>/dev/null > /dev/full2 || echo no space';
    assert.equal(await run(['--device=/dev/full:/dev/full2'], list), 'crw-rw-rw-\nno space');
    assert.equal(
      await run(
        ['--device=/dev/fuse:/dev/other:r'],
        '(: < /dev/other) && echo read; (: > /dev/other) 2>/dev/null || echo no',
      ),
      'read\nno',
    );
    // What mknod makes can be opened only where a rule lets it: 10:229 is fuse.
    const make = 'mknod /f c 10 229; (: < /f) 2>/dev/null && echo opened || echo no';
    assert.equal(await run([], make), 'no');
    assert.equal(await run(['--device-cgroup-rule=c 10:229 rwm'], make), 'opened');
    assert.match(await refused(['--device=/dev/nosuch']), /^[0-9a-f]*$/);
    // The client's exit code follows from the words of the error.
    const missing = await docker(['run', '--rm', '--device=/dev/nosuch', image, 'true'], { expectExit: 127 });
    assert.match(missing.stderr, /custom device "\/dev\/nosuch": no such file or directory/);
    const file = await docker(['run', '--rm', '--device=/etc/passwd', image, 'true'], { expectExit: 125 });
    assert.match(file.stderr, /custom device "\/etc\/passwd": not a device node/);
  });

  test('a privileged container has all devices, unmasked paths and no seccomp', async () => {
    const script =
      'test -e /dev/kmsg && echo kmsg; grep Seccomp: /proc/self/status; mkdir /mnt; mount -t tmpfs x /mnt && echo mounted';
    assert.equal(await run(['--privileged'], script), 'kmsg\nSeccomp:\t0\nmounted');
    assert.equal(
      await run(['--privileged', '--device=/dev/null:/dev/null2'], 'test -c /dev/null2 && echo it'),
      'it',
    );
  });

  test("seccomp profiles of the user's own, and none", async () => {
    const folder = await makeTempDir({ after }, 'seccomp');
    const profile = join(folder, 'profile.json');
    await writeFile(
      profile,
      JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
        syscalls: [
          { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 },
          { names: ['chmod', 'fchmodat'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } },
        ],
      }),
    );
    const script = 'mkdir /x 2>&1; chmod 1 /tmp 2>&1; grep Seccomp: /proc/self/status';
    assert.equal(
      await run([`--security-opt=seccomp=${profile}`], script),
      "mkdir: can't create directory '/x': No space left on device\nchmod: /tmp: Operation not permitted\nSeccomp:\t2",
    );
    assert.equal(
      await run([`--security-opt=seccomp=${profile}`, '--cap-add=SYS_ADMIN'], 'chmod 1 /tmp && echo done'),
      'done',
    );
    assert.equal(
      await run(['--security-opt=seccomp=unconfined'], 'grep Seccomp: /proc/self/status'),
      'Seccomp:\t0',
    );
    assert.equal(
      await run(['--security-opt=no-new-privileges'], 'grep NoNewPrivs /proc/self/status'),
      'NoNewPrivs:\t1',
    );
    if (await hasApparmor({})) return;
    assert.match(
      await refused(['--security-opt=apparmor=mine']),
      /the AppArmor profile "mine" cannot be applied: AppArmor is off on this host/,
    );
  });

  test('system paths are open where asked', async () => {
    assert.equal(
      await run(
        ['--security-opt=systempaths=unconfined'],
        'wc -c < /proc/timer_list | grep -c "^0$"; grep -c " /proc/sys " /proc/mounts; true',
      ),
      '0\n0',
    );
  });

  test('limits of memory, CPU and block devices reach the cgroup', async (t) => {
    if ((await readFile('/proc/filesystems', 'utf8')) && !(await exists('/sys/fs/cgroup/memory'))) {
      t.skip('this host has cgroup version 2');
      return;
    }
    await start(
      'limited',
      ...['-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m', '--memory-swappiness', '7'],
      ...['--cpu-shares', '512', '--cpuset-cpus', '0', '--cpu-period', '50000', '--cpu-quota', '25000'],
      ...['--oom-kill-disable', '--oom-score-adj', '321', '--pids-limit', '77'],
    );
    assert.equal(await limit('limited', 'memory', 'memory.limit_in_bytes'), String(64 << 20));
    assert.equal(await limit('limited', 'memory', 'memory.memsw.limit_in_bytes'), String(96 << 20));
    assert.equal(await limit('limited', 'memory', 'memory.soft_limit_in_bytes'), String(32 << 20));
    assert.equal(await limit('limited', 'memory', 'memory.swappiness'), '7');
    assert.match(await limit('limited', 'memory', 'memory.oom_control'), /^oom_kill_disable 1$/m);
    assert.equal(await limit('limited', 'cpu', 'cpu.shares'), '512');
    assert.equal(await limit('limited', 'cpu', 'cpu.cfs_period_us'), '50000');
    assert.equal(await limit('limited', 'cpu', 'cpu.cfs_quota_us'), '25000');
    assert.equal(await limit('limited', 'cpuset', 'cpuset.cpus'), '0');
    assert.equal(await limit('limited', 'pids', 'pids.max'), '77');
    assert.equal((await readFile(`/proc/${await pidOf('limited')}/oom_score_adj`, 'utf8')).trim(), '321');
    await remove('limited');
    if (await exists('/sys/fs/cgroup/cpu/cpu.rt_runtime_us')) {
      await start('timely', '--cpu-rt-runtime', '10000', '--cpu-rt-period', '1000000');
      assert.equal(await limit('timely', 'cpu', 'cpu.rt_runtime_us'), '10000');
      await remove('timely');
    }
  });

  test('block devices are slowed down', async (t) => {
    if (!(await exists('/sys/fs/cgroup/blkio'))) {
      t.skip('this host has cgroup version 2');
      return;
    }
    const { blockDevice, numbers } = await anyBlockDevice();
    // The docker CLI 26.1 sends empty lists for these options, so the request is made by hand.
    const HostConfig = {
      BlkioDeviceReadBps: [{ Path: blockDevice, Rate: 1 << 20 }],
      BlkioDeviceWriteIOps: [{ Path: blockDevice, Rate: 55 }],
    };
    const body = { Image: image, Cmd: ['sleep', '100000'], HostConfig };
    const made = await callEngine(agent.socket, 'POST', '/v1.45/containers/create?name=slow', { body });
    assert.equal(made.status, 201, made.text);
    await docker(['start', 'slow']);
    assert.equal(await limit('slow', 'blkio', 'blkio.throttle.read_bps_device'), `${numbers} ${1 << 20}`);
    assert.equal(await limit('slow', 'blkio', 'blkio.throttle.write_iops_device'), `${numbers} 55`);
    const shown = await docker(['inspect', '-f', '{{json .HostConfig.BlkioDeviceReadBps}}', 'slow']);
    assert.deepEqual(JSON.parse(shown.stdout), [{ Path: blockDevice, Rate: 1 << 20 }]);
    await remove('slow');
    assert.match(await refused(['--blkio-weight', '5']), /blkio weight is from 10 to 1000/);
  });

  test("a parent cgroup of the user's own", async (t) => {
    const parent = `berth-test-parent-${process.pid}`;
    await start('child', `--cgroup-parent=/${parent}`);
    t.after(() =>
      runCommand('sh', ['-c', `rmdir /sys/fs/cgroup/${parent} /sys/fs/cgroup/*/${parent}`], {
        expectExit: 'any',
      }),
    );
    assert.match(
      await readFile(`/proc/${await pidOf('child')}/cgroup`, 'utf8'),
      new RegExp(`:/${parent}/[0-9a-f]{64}$`, 'm'),
    );
    await remove('child');
    assert.match(await refused(['--cgroup-parent=/a/../../b']), /invalid parent cgroup/);
  });

  test('ulimits, sysctls, groups, domain, annotations', async () => {
    const flags = [
      '--ulimit=nofile=100:200',
      '--sysctl=net.ipv4.ip_forward=1',
      '--group-add=4242',
      '--domainname=port.example',
      '--annotation=a=b',
    ];
    assert.equal(
      await run(
        flags,
        'ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname; id -G',
      ),
      '100\n200\n1\nport.example\n0 4242',
    );
    assert.match(
      await refused(['--sysctl=net.ipv4.ip_forward=1', '--network=host']),
      /not allowed in host network/,
    );
  });

  test('runtimes by the names that hosts have for them', async () => {
    assert.equal(await run(['--runtime=runc'], 'echo it'), 'it');
    assert.equal(await run(['--runtime=crun'], 'echo it'), 'it');
    assert.match(await refused(['--runtime=kata']), /unknown or invalid runtime name: kata/);
  });

  test('what the agent does not have is refused by a sentence', async () => {
    for (const [flags, message] of [
      [['--gpus', 'all'], /a device request \(--gpus\) is not supported/],
      [['--storage-opt', 'size=1G'], /a storage option \(--storage-opt\) is not supported/],
      [['--link', 'x'], /could not get container for x: No such container: x/],
      [['--isolation', 'hyperv'], /another isolation \(--isolation\) is not supported/],
      [['--userns', 'keep-id'], /invalid USER mode|another user namespace/],
    ] as const) {
      assert.match(await refused(flags), message);
    }
  });
});

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

/** A whole disk of this machine, with its numbers. */
async function anyBlockDevice(): Promise<{ readonly blockDevice: string; readonly numbers: string }> {
  const table = (await readFile('/proc/partitions', 'utf8')).trim().split('\n').slice(2);
  for (const line of table) {
    const [major, minor, , name] = line.trim().split(/\s+/);
    if (await exists(`/sys/block/${name}/dev`)) {
      const device = `/dev/${name}`;
      if (await exists(device)) return { blockDevice: device, numbers: `${major}:${minor}` };
    }
  }
  throw new Error('this machine has no block device');
}
