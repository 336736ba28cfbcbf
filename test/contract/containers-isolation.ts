import assert from 'node:assert/strict';
import { readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import { type AgentContainers, runContainer } from '../support/agent-containers.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';

/** What a container can see and do, and what it cannot. */
export function describeIsolation(name: string, agent: () => AgentContainers): void {
  describe(`${name}: isolation`, () => {
    const sh = (script: string, changes = {}) => runContainer(agent(), ['sh', '-c', script], changes);

    it('sees no process, hostname, network or mount of the host', async () => {
      const { stdout } = await sh(
        'ls /proc | grep -c "^[0-9]"; echo $$; hostname; ip -o link; ls /sys/class/net',
      );
      const [processes, pid, host, ...links] = stdout.trim().split('\n');
      assert.ok(Number(processes) <= 4, `${processes} processes`);
      assert.equal(pid, '1');
      assert.match(host ?? '', /^[0-9a-f]{12}$/);
      assert.notEqual(host, hostname());
      assert.equal(links.length, 2);
      assert.match(links[0] ?? '', /: lo: .*UP/);
    });

    it('has the default capabilities, seccomp filter and no more', async () => {
      const { stdout } = await sh('grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status');
      assert.equal(
        stdout.replaceAll('\t', ' '),
        [
          'CapInh: 0000000000000000',
          'CapPrm: 00000000a80425fb',
          'CapEff: 00000000a80425fb',
          'CapBnd: 00000000a80425fb',
          'CapAmb: 0000000000000000',
          'NoNewPrivs: 0',
          'Seccomp: 2',
          '',
        ].join('\n'),
      );
      const user = await sh('grep -E "^Cap(Eff|Prm|Bnd)" /proc/self/status', { config: { User: 'sailor' } });
      assert.match(user.stdout, /^CapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t00000000a80425fb\n$/);
    });

    it('adds and drops capabilities', async () => {
      const effective = async (host: object) =>
        (await sh('grep CapEff /proc/self/status', { host })).stdout.trim().split('\t')[1];
      assert.equal(await effective({ CapDrop: ['ALL'] }), '0000000000000000');
      assert.equal(await effective({ CapDrop: ['ALL'], CapAdd: ['NET_ADMIN'] }), '0000000000001000');
      assert.equal(await effective({ CapDrop: ['CAP_MKNOD'], CapAdd: ['sys_ptrace'] }), '00000000a00c25fb');
    });

    it('cannot make namespaces or mounts', async () => {
      for (const script of [
        'unshare -U true',
        'unshare -m true',
        'mount -t tmpfs x /mnt',
        'chroot / umount /proc',
      ]) {
        const { exitCode, stderr } = await sh(`mkdir -p /mnt; ${script}`);
        assert.notEqual(exitCode, 0, script);
        assert.match(stderr, /Operation not permitted|permission denied/, script);
      }
    });

    it('can do so where it is told to be unconfined and has the capability', async () => {
      const { exitCode, stderr } = await sh('unshare -U true && mkdir -p /mnt && mount -t tmpfs x /mnt', {
        host: { SecurityOpt: ['seccomp=unconfined'], CapAdd: ['SYS_ADMIN'] },
      });
      assert.equal(stderr, '');
      assert.equal(exitCode, 0);
    });

    it('sets no_new_privs where that is asked for', async () => {
      const { stdout } = await sh('grep NoNewPrivs /proc/self/status', {
        host: { SecurityOpt: ['no-new-privileges'] },
      });
      assert.equal(stdout, 'NoNewPrivs:\t1\n');
    });

    it('cannot write to /proc/sys, /sys or the masked files, nor read those', async () => {
      const { stdout } = await sh(
        [
          'echo 1 > /proc/sys/kernel/panic; echo $?',
          'echo b > /proc/sysrq-trigger; echo $?',
          'mkdir /sys/fs/cgroup/memory/mine /sys/fs/cgroup/mine; echo $?',
          'cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c',
          'ls -A /sys/firmware /proc/acpi 2>/dev/null | grep -v :',
        ].join('; '),
      );
      assert.equal(stdout.replace(/\n+$/, ''), '1\n1\n1\n0');
    });

    it('can make device nodes but not open those of the host', async () => {
      const { stdout } = await sh(
        'mknod /disk b 254 0; mknod /kmsg c 1 11; cat /disk > /dev/null; echo $?; cat /kmsg >/dev/null; echo $?; ' +
          'head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 3 /dev/urandom | wc -c; ls /dev | tr "\\n" " "',
      );
      const [disk, kmsg, zero, random, devices = ''] = stdout.split('\n');
      assert.deepEqual([disk, kmsg, zero, random], ['1', '1', '4', '3']);
      assert.match(
        devices,
        /^(core )?fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero $/,
      );
    });

    it('writes to a layer of its own', async () => {
      const { containers } = agent();
      const first = await sh('echo mine > /etc/mine; rm /etc/group; cat /etc/mine');
      assert.equal(first.stdout, 'mine\n');
      const second = await sh('cat /etc/mine; ls /etc/group');
      assert.equal(second.exitCode, 0);
      assert.equal(second.stdout, '/etc/group\n');
      await containers.remove(first.id, { force: false, volumes: false });
    });

    it('does not inherit the umask of the agent', async () => {
      const umask = process.umask(0o077);
      try {
        const { stdout } = await sh('umask; stat -c %a /etc/hosts /etc/hostname /etc/resolv.conf');
        assert.equal(stdout, '0022\n644\n644\n644\n');
      } finally {
        process.umask(umask);
      }
    });

    it('has its own /etc/hosts, hostname and resolv.conf, which are no part of its layer', async () => {
      const { stdout } = await sh('cat /etc/hostname; cat /etc/hosts | head -1; cat /etc/resolv.conf', {
        config: { Hostname: 'ship' },
      });
      assert.equal(stdout, 'ship\n127.0.0.1\tlocalhost\nnameserver 127.0.0.1\n');
    });

    it('can have a read-only root with tmpfs folders', async () => {
      const { stdout } = await sh(
        'echo x > /file; echo $?; echo x > /scratch/file; echo $?; mount | grep -E "/scratch|/dev/shm"',
        { host: { ReadonlyRootfs: true, Tmpfs: { '/scratch': 'size=1m,mode=1777' }, ShmSize: 8 << 20 } },
      );
      const [root, scratch, ...mounts] = stdout.trim().split('\n');
      assert.deepEqual([root, scratch], ['1', '0']);
      assert.match(mounts.join('\n'), /\/dev\/shm type tmpfs \(.*size=8192k/);
      assert.match(mounts.join('\n'), /\/scratch type tmpfs \(.*nosuid,nodev,noexec.*size=1024k/);
    });

    it('has limits and kernel parameters of its own', async () => {
      const { stdout } = await sh(
        'ulimit -n; ulimit -c; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax',
        {
          host: {
            Ulimits: [
              { Name: 'nofile', Soft: 123, Hard: 456 },
              { Name: 'core', Soft: 0, Hard: 0 },
            ],
            Sysctls: { 'kernel.msgmax': '4321' },
          },
        },
      );
      assert.equal(stdout, '123\n0\n0\n4321\n');
    });

    it('shares the network of the host where that is asked for', async () => {
      const { stdout } = await sh('hostname; readlink /proc/self/ns/net', { host: { NetworkMode: 'host' } });
      assert.equal(stdout, `${hostname()}\n${await readlink('/proc/self/ns/net')}\n`);
    });

    it('has all that the agent has where it is privileged', async () => {
      const { stdout } = await sh(
        'grep Seccomp: /proc/self/status; ls /dev | grep -c .; mkdir /m; mount -t tmpfs t /m && echo mounted',
        {
          host: { Privileged: true },
        },
      );
      const [seccomp, devices, mounted] = stdout.trim().split('\n');
      assert.deepEqual([seccomp, mounted], ['Seccomp:\t0', 'mounted']);
      assert.ok(Number(devices) > 20, `${devices} devices`);
    });

    it('does not follow a link out of the image to find its users', async () => {
      const { containers } = agent();
      const made = await containers.create({
        config: containerConfig(['sh', '-c', 'rm -f /etc/passwd; ln -s /proc/1/root/etc/passwd /etc/passwd']),
        hostConfig: hostConfig(),
      });
      const waiting = await containers.wait(made.id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      await containers.start(made.id);
      await waiting.result;
      // Its root's home is looked up in the host's file if the link is followed there.
      const again = await containers.wait(made.id, 'next-exit', AbortSignal.timeout(LONGEST_WAIT));
      await containers.start(made.id);
      assert.equal((await again.result).exitCode, 0);
    });
  });
}
