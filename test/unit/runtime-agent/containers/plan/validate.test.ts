import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validateRequest } from '../../../../../runtime-agent/containers/plan/validate.ts';
import { containerConfig, hostConfig } from '../../../../support/container-requests.ts';

const MEGABYTE = 1 << 20;

describe('validateRequest', () => {
  const validate = (config: object, host: object) =>
    validateRequest(containerConfig(['true'], config), hostConfig(host), 2);

  const accepted: readonly (readonly [object, object])[] = [
    [{}, {}],
    [{ Hostname: 'a-b.c', WorkingDir: '/', StopSignal: 'SIGRTMIN+3', Env: ['A=', 'B'] }, {}],
    [{}, { Memory: 6 * MEGABYTE, MemorySwap: -1, MemoryReservation: 6 * MEGABYTE }],
    [{ Hostname: '_a.b-!' }, {}],
    [{ Hostname: 'x'.repeat(64), Domainname: 'y'.repeat(64) }, {}],
    [{}, { Dns: ['10.0.0.1', 'fe80::1'] }],
    [{}, { NanoCpus: 2e9 }],
    [{}, { NanoCpus: 500_000 }],
    [{}, { CpuPeriod: 1000, CpuQuota: 1000, CpusetCpus: '0-1,3', CpusetMems: '0' }],
    [{}, { NetworkMode: 'none', Sysctls: { 'net.core.somaxconn': '5', 'kernel.msgmax': '1' } }],
    [
      {},
      {
        Ulimits: [
          { Name: 'nofile', Soft: 1, Hard: 2 },
          { Name: 'memlock', Soft: -1, Hard: -1 },
        ],
      },
    ],
    [
      {},
      {
        SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined', 'apparmor=unconfined', 'label=disable'],
      },
    ],
    [{}, { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] }],
    [{}, { DeviceCgroupRules: ['c 1:3 rwm', 'a *:* m', 'b 8:* r'], CgroupParent: '/mine/deep' }],
    [{}, { MemorySwappiness: 0, CpuRealtimePeriod: 1000, CpuRealtimeRuntime: 1000 }],
    [{}, { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 } }],
    [{}, { LogConfig: { Type: 'none', Config: {} } }],
    [{}, { LogConfig: { Type: 'local', Config: { compress: 'false' } } }],
    [
      {},
      { LogConfig: { Type: 'json-file', Config: { compress: 'true', 'max-file': '2', 'max-size': '1m' } } },
    ],
    [{}, { LogConfig: { Type: 'json-file', Config: { tag: '{{.Name}}/{{ .ID }}', labels: 'a,b' } } }],
    [{}, { Tmpfs: { '/run': 'size=1m,exec,mode=1777', '/tmp': '' } }],
  ];
  it('accepts what can be done', () => {
    for (const [config, host] of accepted) validate(config, host);
  });

  const refused: readonly (readonly [object, object, RegExp])[] = [
    [{ WorkingDir: 'x' }, {}, /working directory 'x' is invalid/],
    [{}, { SecurityOpt: ['seccomp={'] }, /Decoding seccomp profile failed/],
    [{}, { SecurityOpt: ['seccomp={"defaultAction":7}'] }, /defaultAction must be/],
    [{}, { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}'] }, /list of rules/],
    [
      {},
      { LogConfig: { Type: '', Config: { nosuch: 'x' } } },
      /unknown log opt 'nosuch' for json-file log driver/,
    ],
    [
      {},
      { LogConfig: { Type: 'local', Config: { labels: 'x' } } },
      /unknown log opt 'labels' for local log driver/,
    ],
    [{}, { LogConfig: { Type: 'json-file', Config: { 'env-regex': '(' } } }, /invalid regular expression/],
    [{}, { DeviceCgroupRules: ['c 1:3'] }, /invalid device cgroup rule format: 'c 1:3'/],
    [{}, { CgroupParent: '/a/../../b' }, /invalid parent cgroup/],
    [{}, { MemorySwappiness: 101 }, /range is 0-100/],
    [{}, { CpuRealtimePeriod: 10, CpuRealtimeRuntime: 11 }, /cannot be higher than cpu real-time period/],
    [{ Hostname: 'a' }, { UTSMode: 'host' }, /hostname and the UTS mode/],
    [{ Healthcheck: { Test: ['CMD', 'x'], Interval: 1 } }, {}, /Interval in Healthcheck/],
    [{ Env: ['=x'] }, {}, /invalid environment variable/],
    [{ Cmd: ['a\0b'] }, {}, /zero byte/],
    [{ Hostname: 'a b' }, {}, /invalid hostname/],
    [{ Domainname: 'a\n1.2.3.4' }, {}, /invalid hostname/],
    [{ Hostname: 'é'.repeat(33) }, {}, /at most 64 bytes/],
    [{}, { Dns: ['10.0.0.1\nnameserver 10.0.0.2'] }, /bad nameserver address/],
    [{ StopSignal: 'X' }, {}, /invalid signal: X/],
    [{}, { Memory: 6 * MEGABYTE - 1 }, /Minimum memory limit allowed is 6MB/],
    [{}, { Memory: -1 }, /negative/],
    [{}, { MemorySwap: 100 * MEGABYTE }, /always set the Memory limit/],
    [{}, { Memory: 20 * MEGABYTE, MemorySwap: 10 * MEGABYTE }, /memoryswap limit should be larger/],
    [{}, { Memory: 20 * MEGABYTE, MemoryReservation: 30 * MEGABYTE }, /less than memory reservation/],
    [{}, { NanoCpus: 2.1e9 }, /Range of CPUs is from 0.01 to 2.00/],
    [{}, { NanoCpus: 1e9, CpuQuota: 1000 }, /Conflicting options/],
    [{}, { CpuPeriod: 999 }, /CPU cfs period/],
    [{}, { CpuQuota: 10 }, /CPU cfs quota/],
    [{}, { CpusetCpus: '0-' }, /cpuset cpus/],
    [{}, { Sysctls: { 'vm.swappiness': '1' } }, /sysctl 'vm.swappiness' is not allowed/],
    [{}, { Sysctls: { 'net./../x': '1' } }, /is not allowed/],
    [{}, { NetworkMode: 'host', Sysctls: { 'net.core.somaxconn': '1' } }, /host network namespace/],
    [{}, { Ulimits: [{ Name: 'x', Soft: 1, Hard: 1 }] }, /invalid ulimit type: x/],
    [{}, { Ulimits: [{ Name: 'core', Soft: 2, Hard: 1 }] }, /soft limit/],
    [{}, { SecurityOpt: ['x'] }, /invalid --security-opt/],
    [{}, { SecurityOpt: ['no-new-privileges=maybe'] }, /invalid --security-opt/],
    [{}, { RestartPolicy: { Name: 'sometimes', MaximumRetryCount: 0 } }, /unknown policy 'sometimes'/],
    [{}, { RestartPolicy: { Name: 'always', MaximumRetryCount: 1 } }, /only be used with 'on-failure'/],
    [{}, { AutoRemove: true, RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } }, /AutoRemove/],
    [{}, { Tmpfs: { relative: '' } }, /mount path must be absolute/],
    [{}, { Tmpfs: { '/a/../b': '' } }, /mount path must be absolute/],
    [{}, { Tmpfs: { '/': '' } }, /^invalid specification: destination can't be '\/'$/],
    [{}, { Tmpfs: { '//': '' } }, /^invalid specification: destination can't be '\/'$/],
    [{}, { Tmpfs: { '/tmp/..': '' } }, /^invalid specification: destination can't be '\/'$/],
    [
      {},
      { Annotations: { '': 'a' } },
      /^invalid Annotations: the empty string is not permitted as an annotation key$/,
    ],
    [{}, { Tmpfs: { '/run': 'bind' } }, /invalid tmpfs option "bind"/],
    [{}, { Tmpfs: { '/run': 'uid=1,nosuch=2' } }, /invalid tmpfs option "nosuch=2"/],
    [{}, { OomScoreAdj: 1001 }, /range for oom score adj/],
    [{}, { ShmSize: -1 }, /SHM size/],
    [{ Volumes: { '/': {} } }, {}, /type "volume": invalid specification: destination can't be '\/'/],
    [{}, { Binds: ['/a:/b', 'c:/b'] }, /Duplicate mount point: \/b/],
  ];
  for (const [config, host, message] of refused) {
    it(`refuses ${JSON.stringify({ ...config, ...host }).slice(0, 90)}`, () => {
      assert.throws(() => validate(config, host), { code: 'bad-request', message });
    });
  }

  const missing: readonly (readonly [object, object, RegExp])[] = [
    [{}, { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}'] }, /listenerPath/],
    [{}, { SecurityOpt: ['label=type:mine'] }, /label with this value/],
    [{}, { LogConfig: { Type: 'syslog', Config: {} } }, /logging driver syslog/],
    [{}, { LogConfig: { Type: 'json-file', Config: { tag: '{{upper .Name}}' } } }, /log option tag/],
  ];
  for (const [config, host, message] of missing) {
    it(`says that it does not have ${JSON.stringify({ ...config, ...host }).slice(0, 90)}`, () => {
      assert.throws(() => validate(config, host), { code: 'not-implemented', message });
    });
  }
});
