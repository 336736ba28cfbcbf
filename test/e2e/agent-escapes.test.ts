import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { arch } from 'node:process';
import { after, describe, test } from 'node:test';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { imageFolder } from '../support/image-cache.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { pushLayout } from '../support/push-layout.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { makeDebianImage } from '../support/test-images.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork();

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

/** System calls by which processes leave containers or reach into the kernel: number on x86-64, on arm64, arguments. */
const CALLS: readonly (readonly [name: string, x64: number, arm64: number, args: string])[] = [
  ['keyctl', 250, 219, '0, -1, 0, 0, 0'],
  ['add_key', 248, 217, '"user", "name", "x", 1, -2'],
  ['request_key', 249, 218, '"user", "name", 0, -2'],
  ['mount', 165, 40, '"none", "/mnt", "tmpfs", 0, 0'],
  ['umount2', 166, 39, '"/proc", 0'],
  ['pivot_root', 155, 41, '"/", "/"'],
  ['unshare of users', 272, 97, '0x10000000'],
  ['unshare of mounts', 272, 97, '0x00020000'],
  ['setns', 308, 268, '0, 0'],
  ['clone3', 435, 435, '0, 0'],
  ['fsopen', 430, 430, '"tmpfs", 0'],
  ['open_tree', 428, 428, '-100, "/", 1'],
  ['move_mount', 429, 429, '0, "", -100, "/", 4'],
  ['init_module', 175, 105, '0, 0, ""'],
  ['finit_module', 313, 273, '0, "", 0'],
  ['delete_module', 176, 106, '"x", 0'],
  ['kexec_load', 246, 104, '0, 0, 0, 0'],
  ['reboot', 169, 142, '0xfee1dead, 672274793, 0, 0'],
  ['bpf', 321, 280, '0, 0, 0'],
  ['perf_event_open', 298, 241, '0, 0, -1, -1, 0'],
  ['open_by_handle_at', 304, 265, '0, 0, 0'],
  ['userfaultfd', 323, 282, '0'],
  ['settimeofday', 164, 170, '0, 0'],
  ['acct', 163, 89, '0'],
  ['swapon', 167, 224, '"/x", 0'],
  ['quotactl', 179, 60, '0, 0, 0, 0'],
  ['syslog', 103, 116, '3, 0, 0'],
];

describe('ways out of a container are closed', { skip: unlessRoot(), timeout: 1_800_000 }, async () => {
  if (unlessRoot() !== false) return;
  const { agent, registry, image } = await startAgentWithImage({ after });
  const { docker } = agent;
  const debian = `${registry.host}/team/debian:1`;
  await pushLayout(await makeDebianImage(await imageFolder({ after })), debian);
  await docker(['pull', '--quiet', debian]);
  const sh = async (script: string, ...flags: readonly string[]) =>
    (await docker(['run', '--rm', ...flags, image, 'sh', '-c', script])).stdout.trim();
  /** Runs commands that must fail, and answers those that did not. */
  const succeeded = async (commands: readonly string[], ...flags: readonly string[]) =>
    (
      await sh(
        commands
          .map((command) => `(${command}) >/dev/null 2>&1 && echo '${command.replaceAll("'", '"')}'`)
          .join('; ')
          .concat('; true'),
        ...flags,
      )
    )
      .split('\n')
      .filter(Boolean);

  test('system calls of administrators are refused', async () => {
    const column = arch === 'arm64' ? 2 : 1;
    const script = CALLS.map(
      (call) =>
        `{ my @a = (${call[3]}); $! = 0; $r = syscall(${call[column]}, @a); print "${call[0]}=" . ($r == -1 ? $!+0 : "done") . "\\n"; }`,
    ).join('');
    const { stdout } = await docker(['run', '--rm', debian, 'perl', '-e', script]);
    const answers = stdout.trim().split('\n');
    assert.equal(answers.length, CALLS.length);
    const wrong = answers.filter((line) => ![EPERM, ENOSYS, EACCES].includes(Number(line.split('=')[1])));
    assert.deepEqual(wrong, []);
  });

  test("the kernel's settings cannot be written", async () => {
    assert.deepEqual(
      await succeeded([
        'echo x > /proc/sys/kernel/core_pattern',
        'echo 1 > /proc/sys/kernel/panic',
        'echo 1 > /proc/sys/vm/drop_caches',
        'echo b > /proc/sysrq-trigger',
        'echo 1 > /proc/irq/default_smp_affinity',
        'echo x > /sys/kernel/uevent_helper',
        'touch /sys/x',
        // /sys/fs/cgroup itself is a tmpfs of the container's own with version 1; what is mounted in it is not.
        'test -e /sys/fs/cgroup/cgroup.procs && mkdir /sys/fs/cgroup/x',
        'mkdir /sys/fs/cgroup/memory/x',
        'mkdir /sys/fs/cgroup/devices/x',
        'echo a > /sys/fs/cgroup/devices/devices.allow',
        'echo /x > /sys/fs/cgroup/memory/release_agent',
        'echo 1 > /proc/sys/net/ipv4/ip_forward',
        'mount -o remount,rw /proc/sys',
        'mount -o remount,rw /sys',
        'mount -t proc proc /mnt',
        'mount -t cgroup cgroup /mnt',
        'umount /proc/kcore',
        'dd if=/proc/kcore of=/dev/null bs=1 count=1 | grep -q .',
      ]),
      [],
    );
    assert.equal(
      await sh('for f in kcore keys timer_list sched_debug; do head -c 1 /proc/$f 2>/dev/null; done | wc -c'),
      '0',
    );
  });

  test('devices of the host cannot be opened, whatever nodes are made', async () => {
    assert.deepEqual(
      await succeeded([
        'mknod /mem c 1 1; head -c 1 /mem',
        'mknod /kmsg c 1 11; head -c 1 /kmsg',
        'mknod /disk b 254 0; head -c 1 /disk',
        'mknod /disk2 b 8 0; head -c 1 /disk2',
        'mknod /loop b 7 0; head -c 1 /loop',
        'mknod /fuse c 10 229; : < /fuse',
        'mknod /tty c 4 1; : < /tty',
      ]),
      [],
    );
  });

  test('processes of the host stay closed even where they can be seen', async () => {
    assert.deepEqual(
      await succeeded(
        [
          'ls /proc/1/root/',
          'cat /proc/1/environ | grep -q .',
          'readlink /proc/1/fd/0',
          'cat /proc/1/mem',
          'readlink /proc/1/exe',
        ],
        '--pid=host',
      ),
      [],
    );
    assert.deepEqual(await succeeded(['nsenter -t 1 -m true', 'chroot /proc/1/root true'], '--pid=host'), []);
  });

  test('no descriptor of the agent or the runtime is left open', async (t) => {
    assert.equal(await sh('ls /proc/self/fd | tr "\\n" " "'), '0 1 2 3');
    await docker(['run', '-d', '--name', 'open', image, 'sleep', '100000']);
    t.after(() => docker(['rm', '-f', 'open']));
    assert.equal(
      (await docker(['exec', 'open', 'sh', '-c', 'ls /proc/self/fd | tr "\\n" " "'])).stdout.trim(),
      '0 1 2 3',
    );
    // A working directory that is a descriptor of the runtime's own would be a folder of the host (CVE-2024-21626).
    const marker = `${await makeTempDir(t, 'marker')}/marker`;
    await writeFile(marker, 'of the host');
    const climb = `cat ../../../../../../..${marker} 2>/dev/null`;
    for (let fd = 3; fd < 12; fd += 1) {
      const out = await docker(['run', '--rm', '-w', `/proc/self/fd/${fd}`, image, 'sh', '-c', climb], {
        expectExit: 'any',
      });
      assert.doesNotMatch(out.stdout, /of the host/, `descriptor ${fd}`);
      const ran = await docker(['exec', '-w', `/proc/self/fd/${fd}`, 'open', 'sh', '-c', climb], {
        expectExit: 'any',
      });
      assert.doesNotMatch(ran.stdout, /of the host/, `descriptor ${fd} by exec`);
    }
  });

  test('the runtime cannot be overwritten from inside (CVE-2019-5736)', async () => {
    const path = (await docker(['info', '-f', '{{range .Runtimes}}{{.Path}}{{end}}'])).stdout.trim();
    const hash = async () =>
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
    const before = await hash();
    await docker(['run', '--rm', '--entrypoint', '/proc/self/exe', image, '--version'], {
      expectExit: 'any',
    });
    await docker([
      'run',
      '-d',
      '--name',
      'trap',
      image,
      'sh',
      '-c',
      'while :; do for p in /proc/[0-9]*/exe; do (echo x > $p) 2>/dev/null; done; done',
    ]);
    for (let count = 0; count < 3; count += 1) await docker(['exec', 'trap', 'true'], { expectExit: 'any' });
    await docker(['rm', '-f', 'trap']);
    assert.equal(await hash(), before);
  });

  test('links in volumes and images lead nowhere outside', async (t) => {
    const folder = await makeTempDir(t, 'outside');
    await writeFile(`${folder}/secret`, 'of the host');
    await sh(
      `ln -s ${'../'.repeat(12)}${folder} /data/up; ln -s ${folder} /data/absolute`,
      '-v',
      'links:/data',
    );
    // Mounted over a link, a folder appears inside of the container or not at all.
    for (const name of ['up', 'absolute']) {
      const flags = ['-v', 'links:/data', '-v', `/usr/share/common-licenses:/data/${name}:ro`];
      const command = ['sh', '-c', `cat ${folder}/secret 2>/dev/null; ls /data/${name}/`];
      const out = (await docker(['run', '--rm', ...flags, image, ...command], { expectExit: 'any' })).stdout;
      assert.doesNotMatch(out, /of the host/);
    }
    assert.equal(await readFile(`${folder}/secret`, 'utf8'), 'of the host');
    for (const subpath of ['up', 'absolute', '../../..']) {
      const out = await docker(
        [
          'run',
          '--rm',
          '--mount',
          `type=volume,src=links,dst=/x,volume-subpath=${subpath}`,
          image,
          'cat',
          '/x/secret',
        ],
        { expectExit: 'any' },
      );
      assert.doesNotMatch(out.stdout, /of the host/, subpath);
    }
    await docker(['volume', 'rm', 'links']);
  });

  test('nothing is mounted over /proc but what shows a part of it', async (t) => {
    const create = async (...flags: readonly string[]) =>
      (await docker(['create', '--rm', ...flags, image, 'true'], { expectExit: 'any' })).stderr;
    const folder = await makeTempDir(t, 'fake');
    await writeFile(`${folder}/meminfo`, 'MemTotal: 1 kB\n');
    for (const flag of [`-v=${folder}:/proc`, '-v=fake:/proc', '-v=/proc/', '--tmpfs=/proc']) {
      assert.match(await create(flag), /"\/proc" cannot be mounted because it is not of type proc/, flag);
    }
    for (const flag of [
      `-v=${folder}:/proc/self`,
      '-v=fake:/proc/1/attr',
      '--mount=type=tmpfs,dst=/proc/sys',
    ]) {
      assert.match(await create(flag), /cannot be mounted because it is inside \/proc/, flag);
    }
    assert.equal(await sh('cat /proc/meminfo', `-v=${folder}/meminfo:/proc/meminfo:ro`), 'MemTotal: 1 kB');
    await sh('test -e /proc/1', '-v=/proc:/proc');
    await docker(['run', '--name', 'linked', image, 'ln', '-s', '/proc/self/attr', '/attr']);
    await docker(['commit', 'linked', 'linked']);
    await docker(['rm', 'linked']);
    for (const flag of [`-v=${folder}:/attr`, '--tmpfs=/attr']) {
      const { stderr } = await docker(['run', '--rm', flag, 'linked', 'true'], { expectExit: 'any' });
      assert.match(stderr, /because it is inside \/proc/, flag);
    }
  });

  test('its shared memory and its terminal are bounded and its own', async () => {
    const { stderr } = await docker(
      ['run', '--rm', image, 'sh', '-c', 'dd if=/dev/zero of=/dev/shm/x bs=1M count=100'],
      { expectExit: 1 },
    );
    assert.match(stderr, /No space left on device/);
    assert.equal(await sh('cat /dev/shm/x 2>/dev/null | wc -c'), '0');
    assert.equal(await sh('ls /dev/pts | tr "\\n" " "'), 'ptmx');
  });

  test('a process that is not root has no capabilities and gains none', async () => {
    const status = await sh('grep -E "^Cap(Eff|Prm|Inh|Amb)" /proc/self/status | sort -u', '-u', '1000');
    assert.equal(status.match(/0000000000000000/g)?.length, 4, status);
    assert.match(
      await sh(
        'cp /bin/busybox /tmp/su; chmod 4755 /tmp/su; grep NoNewPrivs /proc/self/status',
        '--security-opt=no-new-privileges',
      ),
      /1$/,
    );
    assert.deepEqual(
      await succeeded(['chroot / true', 'chown 1 /etc/passwd'], '--cap-drop=ALL', '-u', '1000'),
      [],
    );
  });
});
