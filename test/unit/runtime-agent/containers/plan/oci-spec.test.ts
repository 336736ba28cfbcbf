import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  ContainerConfig,
  ContainerInfo,
} from '../../../../../runtime-agent/containers/container-info.ts';
import type { HostConfig } from '../../../../../runtime-agent/containers/host-config.ts';
import { ociSpec, type SpecInputs } from '../../../../../runtime-agent/containers/plan/oci-spec.ts';
import { readOciSpec, writeOciJson } from '../../../../../runtime-agent/oci-runner/bundle.ts';
import { containerConfig, hostConfig } from '../../../../support/container-requests.ts';

const ID = 'f'.repeat(64);
const MEGABYTE = 1 << 20;

const INPUTS: SpecInputs = {
  rootfs: '/snapshots/x/merged',
  network: { kind: 'new' },
  files: { hosts: '/c/hosts', hostname: '/c/hostname', resolvConf: '/c/resolv.conf' },
  user: { uid: 0, gid: 0, additionalGids: [10], home: '/root' },
  capabilities: ['CAP_CHOWN'],
  noNewPrivileges: false,
  apparmor: undefined,
  seccomp: undefined,
  cgroups: { version: 1, swapLimit: true },
  devices: [],
  host: { rules: [] },
  joined: {},
  shm: { kind: 'own' },
  mounts: [],
};

function make(
  config: Partial<ContainerConfig> = {},
  host: Partial<HostConfig> = {},
  inputs: Partial<SpecInputs> = {},
) {
  const container: ContainerInfo = {
    id: ID,
    name: 'n',
    createdAt: '',
    config: containerConfig([], { Hostname: 'ship', ...config }),
    hostConfig: hostConfig(host),
    imageId: '',
    path: '/bin/app',
    args: ['-x', 'unlimited'],
    logPath: '',
    mounts: [],
    networks: {},
    activeNetwork: undefined,
    state: {
      status: 'created',
      pid: 0,
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: '',
      finishedAt: '',
      restartCount: 0,
      stoppedByUser: false,
    },
  };
  return ociSpec(container, { ...INPUTS, ...inputs });
}

describe('ociSpec', () => {
  it('has namespaces of its own, and a cgroup named for it', () => {
    const { linux } = make();
    assert.deepEqual(
      linux.namespaces.map(({ type }) => type),
      ['mount', 'pid', 'ipc', 'uts', 'network'],
    );
    assert.equal(linux.cgroupsPath, `/berth/${ID}`);
    assert.ok(linux.maskedPaths.includes('/proc/kcore'));
    assert.ok(linux.readonlyPaths.includes('/proc/sys'));
  });

  it('shares namespaces of the host and of other containers', () => {
    const host = make({ Domainname: 'd' }, { PidMode: 'host', IpcMode: 'host', UTSMode: 'host' });
    assert.deepEqual(
      host.linux.namespaces.map(({ type }) => type),
      ['mount', 'network'],
    );
    assert.equal(host.hostname, undefined);
    assert.equal(host.linux.sysctl['kernel.domainname'], undefined);
    const other = make(
      {},
      { PidMode: 'container:a', IpcMode: 'container:b' },
      { joined: { pid: '/proc/1/ns/pid', ipc: '/proc/2/ns/ipc' }, shm: { kind: 'bind', path: '/b/shm' } },
    );
    assert.deepEqual(other.linux.namespaces.slice(1, 3), [
      { type: 'pid', path: '/proc/1/ns/pid' },
      { type: 'ipc', path: '/proc/2/ns/ipc' },
    ]);
    assert.equal(other.mounts.find(({ destination }) => destination === '/dev/shm')?.source, '/b/shm');
    const none = make({}, {}, { shm: { kind: 'none' } });
    assert.ok(!none.mounts.some(({ destination }) => destination === '/dev/shm'));
  });

  it('is confined by the AppArmor profile, where the host has AppArmor', () => {
    assert.equal(make({}, {}, { apparmor: 'berth-default' }).process.apparmorProfile, 'berth-default');
    assert.equal('apparmorProfile' in make().process, false);
  });

  it('writes limits alike for both versions of cgroups, but what version 2 does not have', () => {
    const asked = {
      Memory: 64 * MEGABYTE,
      MemorySwappiness: 5,
      OomKillDisable: true,
      CpuShares: 512,
      CpusetCpus: '0',
      PidsLimit: 9,
      CgroupParent: 'mine//deep/',
    };
    const blockIo = { weight: 300, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }] };
    const rules = [{ allow: true, type: 'c', major: 10, minor: 229, access: 'r' }] as const;
    const limits = (version: 1 | 2) =>
      make({}, asked, { cgroups: { version, swapLimit: true }, host: { rules, blockIo } }).linux;
    for (const version of [1, 2] as const) {
      const { resources, cgroupsPath } = limits(version);
      assert.equal(cgroupsPath, `/mine/deep/${ID}`);
      assert.deepEqual(resources.cpu, { shares: 512, cpus: '0' });
      assert.deepEqual(resources.pids, { limit: 9 });
      assert.deepEqual(resources.blockIO, blockIo);
      assert.deepEqual(resources.devices.at(-1), rules[0]);
    }
    const memory = { limit: 64 * MEGABYTE, swap: 128 * MEGABYTE };
    assert.deepEqual(limits(1).resources.memory, { ...memory, swappiness: 5, disableOOMKiller: true });
    assert.deepEqual(limits(2).resources.memory, memory);
  });

  it('shows what the user wants to be seen of the system, and hands annotations on', () => {
    const open = make({}, { MaskedPaths: [], ReadonlyPaths: ['/proc/x'], Annotations: { a: 'b' } });
    assert.deepEqual(open.linux.maskedPaths, []);
    assert.deepEqual(open.linux.readonlyPaths, ['/proc/x']);
    assert.deepEqual(open.annotations, { a: 'b' });
    assert.deepEqual(make({}, { Privileged: true }).linux.maskedPaths, []);
  });

  it('has a cgroup namespace and the host network where asked', () => {
    const { linux } = make({}, { CgroupnsMode: 'private' }, { network: { kind: 'host' } });
    assert.deepEqual(
      linux.namespaces.map(({ type }) => type),
      ['mount', 'pid', 'ipc', 'uts', 'cgroup'],
    );
    assert.deepEqual(linux.sysctl, {});
  });

  it('enters a network namespace that was made for it, or that of another container', () => {
    for (const kind of ['made', 'shared'] as const) {
      const { linux } = make({}, {}, { network: { kind, path: '/proc/7/ns/net' } });
      assert.deepEqual(linux.namespaces.at(4), { type: 'network', path: '/proc/7/ns/net' });
      assert.equal(Object.hasOwn(linux.sysctl, 'net.ipv4.ping_group_range'), kind === 'made');
    }
  });

  it('gives capabilities to root only', () => {
    assert.deepEqual(make().process.capabilities, {
      bounding: ['CAP_CHOWN'],
      effective: ['CAP_CHOWN'],
      permitted: ['CAP_CHOWN'],
      inheritable: [],
      ambient: [],
    });
    const user = { uid: 5, gid: 5, additionalGids: [], home: '/' };
    const { capabilities } = make({}, {}, { user }).process;
    assert.deepEqual(
      [capabilities.bounding, capabilities.effective, capabilities.permitted],
      [['CAP_CHOWN'], [], []],
    );
  });

  it('puts the init program before the command', () => {
    const files = { ...INPUTS.files, init: '/usr/bin/tini-static' };
    const spec = make({}, { Init: true }, { files });
    assert.deepEqual(spec.process.args, ['/sbin/docker-init', '--', '/bin/app', '-x', 'unlimited']);
    const mount = spec.mounts.find(({ destination }) => destination === '/sbin/docker-init');
    assert.deepEqual(mount?.options, ['bind', 'ro', 'rprivate']);
  });

  it('hides nothing from a privileged container', () => {
    const { linux, mounts } = make({}, { Privileged: true });
    assert.deepEqual([linux.maskedPaths, linux.readonlyPaths], [[], []]);
    assert.deepEqual(linux.resources.devices, [{ allow: true, access: 'rwm' }]);
    assert.ok(mounts.find(({ destination }) => destination === '/sys')?.options.includes('rw'));
  });

  it('limits memory and swap as Docker does', () => {
    const memory = (host: Partial<HostConfig>, swapLimit = true) =>
      make({}, host, { cgroups: { version: 1, swapLimit } }).linux.resources.memory;
    assert.equal(memory({}), undefined);
    assert.deepEqual(memory({ Memory: 10 * MEGABYTE }), { limit: 10 * MEGABYTE, swap: 20 * MEGABYTE });
    assert.deepEqual(memory({ Memory: 10 * MEGABYTE, MemorySwap: -1 }), { limit: 10 * MEGABYTE, swap: -1 });
    assert.deepEqual(memory({ Memory: 10 * MEGABYTE, MemorySwap: 10 * MEGABYTE }), {
      limit: 10 * MEGABYTE,
      swap: 10 * MEGABYTE,
    });
    assert.deepEqual(memory({ Memory: 10 * MEGABYTE }, false), { limit: 10 * MEGABYTE });
    assert.deepEqual(memory({ MemoryReservation: 8 * MEGABYTE, OomKillDisable: true }), {
      reservation: 8 * MEGABYTE,
      disableOOMKiller: true,
    });
  });

  it('limits processors and processes', () => {
    const resources = make({}, { NanoCpus: 1_500_000_000, CpuShares: 100, CpusetCpus: '0', PidsLimit: 7 })
      .linux.resources;
    assert.deepEqual(resources.cpu, { shares: 100, quota: 150_000, period: 100_000, cpus: '0' });
    assert.deepEqual(resources.pids, { limit: 7 });
    assert.equal(make({}, { PidsLimit: -1 }).linux.resources.pids, undefined);
    assert.deepEqual(make({}, { CpuQuota: -1, CpuPeriod: 5000 }).linux.resources.cpu, {
      quota: -1,
      period: 5000,
    });
  });

  it('mounts tmpfs folders, those above others first, in place of its own', () => {
    const { mounts } = make(
      {},
      { Tmpfs: { '/a/b/c': '', '/a': 'exec,size=1m', '/dev/shm': 'size=5m' }, ShmSize: 1 },
    );
    const own = mounts.filter(({ type }) => type === 'tmpfs').map(({ destination }) => destination);
    assert.deepEqual(own, ['/dev', '/a', '/dev/shm', '/a/b/c']);
    const a = mounts.find(({ destination }) => destination === '/a');
    assert.deepEqual(a?.options, ['nosuid', 'nodev', 'exec', 'size=1m']);
  });

  it('writes unlimited limits as numbers, and nothing else so', () => {
    const spec = make({}, { Ulimits: [{ Name: 'core', Soft: 0, Hard: -1 }] });
    const text = writeOciJson(spec);
    assert.match(text, /"rlimits":\[\{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615\}\]/);
    assert.match(text, /"args":\["\/bin\/app","-x","unlimited"\]/);
    assert.deepEqual(readOciSpec(text), spec);
  });
});
