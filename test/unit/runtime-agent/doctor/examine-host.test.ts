import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { examineHost, printFindings } from '../../../../runtime-agent/doctor/examine-host.ts';
import type { HostReading } from '../../../../runtime-agent/doctor/host-reading.ts';
import { PROGRAMS } from '../../../../runtime-agent/doctor/programs.ts';

const GOOD: HostReading = {
  platform: 'linux',
  root: true,
  kernel: '6.12.1',
  architecture: 'x64',
  programs: new Set(['crun', 'runc', ...PROGRAMS.map(({ name }) => name)]),
  apparmor: 'on',
  namespaces: new Set(['mnt', 'pid', 'net', 'ipc', 'uts', 'user']),
  fileSystems: new Set(['overlay', 'erofs']),
  cgroups: { version: 2, controllers: new Set(['memory', 'cpu', 'pids']), swapLimit: true },
  data: { path: '/data', folder: '/', fileSystem: 'ext4', free: 50e9, inodesFree: 1e6 },
  trials: {
    runtime: { name: 'crun', version: '1.21' },
    layers: { how: 'file' },
    packetFilter: { droppingChains: [] },
  },
  agent: 'answers',
  socket: '/run/berth-agent.sock',
};

const without = (set: ReadonlySet<string>, ...names: readonly string[]) =>
  new Set([...set].filter((name) => !names.includes(name)));

describe('what a host lacks', () => {
  test('nothing, where everything is there', () => {
    const findings = examineHost(GOOD);
    assert.deepEqual(
      findings.filter(({ grade }) => grade !== 'good'),
      [],
    );
    assert.match(printFindings(findings), /can run on this host\.\n$/);
  });

  const cases: readonly {
    readonly what: string;
    readonly host: Partial<HostReading>;
    readonly part: string;
    readonly grade: 'poorer' | 'lacking';
    readonly remedy?: RegExp;
  }[] = [
    { what: 'another user', host: { root: false }, part: 'user', grade: 'lacking', remedy: /^sudo / },
    {
      what: 'no overlay',
      host: { fileSystems: new Set(['ext4']) },
      part: 'kernel',
      grade: 'lacking',
      remedy: /modprobe overlay/,
    },
    {
      what: 'a kernel without a namespace',
      host: { namespaces: without(GOOD.namespaces, 'ipc') },
      part: 'kernel',
      grade: 'lacking',
    },
    {
      what: 'conmon missing',
      host: { programs: without(GOOD.programs, 'conmon') },
      part: 'conmon',
      grade: 'lacking',
      remedy: /apt-get install conmon/,
    },
    {
      what: 'no runtime',
      host: { programs: without(GOOD.programs, 'crun', 'runc') },
      part: 'runtime',
      grade: 'lacking',
      remedy: /apt-get install crun/,
    },
    {
      what: 'no igzip',
      host: { programs: without(GOOD.programs, 'igzip') },
      part: 'igzip',
      grade: 'poorer',
      remedy: /apt-get install isal/,
    },
    {
      what: 'no memory controller',
      host: { cgroups: { version: 2, controllers: new Set(['cpu', 'pids']), swapLimit: true } },
      part: 'cgroups',
      grade: 'lacking',
      remedy: /cgroup_enable=memory/,
    },
    {
      what: 'version 1 without devices',
      host: {
        cgroups: {
          version: 1,
          controllers: new Set(['memory', 'cpu', 'cpuset', 'pids', 'freezer']),
          swapLimit: true,
        },
      },
      part: 'cgroups',
      grade: 'poorer',
    },
    {
      what: 'no swap accounting',
      host: { cgroups: { ...GOOD.cgroups, swapLimit: false } },
      part: 'cgroups',
      grade: 'poorer',
      remedy: /swapaccount=1/,
    },
    {
      what: 'no control groups',
      host: { cgroups: { version: 'none', controllers: new Set(), swapLimit: false } },
      part: 'cgroups',
      grade: 'lacking',
    },
    {
      what: 'a data folder on NFS',
      host: { data: { ...GOOD.data, fileSystem: 'nfs' } },
      part: 'data',
      grade: 'lacking',
      remedy: /--data/,
    },
    {
      what: 'little room',
      host: { data: { ...GOOD.data, free: 5e8 } },
      part: 'data',
      grade: 'poorer',
    },
    {
      what: 'few inodes',
      host: { data: { ...GOOD.data, inodesFree: 12 } },
      part: 'data',
      grade: 'poorer',
    },
    {
      what: 'no rules for system calls',
      host: { seccompFailure: 'the file is missing' },
      part: 'seccomp',
      grade: 'lacking',
      remedy: /apt-get install/,
    },
    {
      what: 'AppArmor without its parser',
      host: { apparmor: 'no-parser' },
      part: 'apparmor',
      grade: 'poorer',
      remedy: /apt-get install apparmor/,
    },
    {
      what: 'a socket that this user may not use',
      host: { agent: 'refused' },
      part: 'agent',
      grade: 'poorer',
      remedy: /--socket-group/,
    },
    { what: 'no agent', host: { agent: 'absent' }, part: 'agent', grade: 'poorer' },
    { what: 'another system', host: { platform: 'darwin' }, part: 'kernel', grade: 'lacking' },
  ];
  for (const { what, host, part, grade, remedy } of cases) {
    test(what, () => {
      const found = examineHost({ ...GOOD, ...host }).filter((finding) => finding.grade !== 'good');
      assert.deepEqual(
        found.map((finding) => [finding.part, finding.grade]),
        [[part, grade]],
      );
      if (remedy !== undefined) assert.match(found[0]?.remedy ?? '', remedy);
    });
  }

  const trials = GOOD.trials as NonNullable<HostReading['trials']>;
  test('a trial that fails is told with its reason', () => {
    const found = examineHost({
      ...GOOD,
      trials: {
        runtime: { failure: 'no OCI runtime works' },
        layers: { how: 'unpacked', fallbackReason: 'layers cannot be mounted' },
        packetFilter: { failure: 'Operation not supported' },
      },
    }).filter(({ grade }) => grade !== 'good');
    assert.deepEqual(
      found.map(({ part, grade }) => [part, grade]),
      [
        ['runtime', 'lacking'],
        ['layers', 'poorer'],
        ['network', 'lacking'],
      ],
    );
    assert.match(printFindings(found), /before these 2 things marked LACK are mended\.\n$/);
  });

  test('runc runs, and crun would be faster; another firewall drops', () => {
    const found = examineHost({
      ...GOOD,
      programs: without(GOOD.programs, 'crun'),
      trials: {
        ...trials,
        runtime: { name: 'runc', version: '1.1' },
        packetFilter: { droppingChains: ['ip filter FORWARD'] },
      },
    }).filter(({ grade }) => grade !== 'good');
    assert.deepEqual(
      found.map(({ part, grade }) => [part, grade]),
      [
        ['runtime', 'poorer'],
        ['network', 'poorer'],
      ],
    );
    assert.match(found[0]?.remedy ?? '', /crun/);
    assert.match(found[1]?.message ?? '', /ip filter FORWARD/);
  });
});
