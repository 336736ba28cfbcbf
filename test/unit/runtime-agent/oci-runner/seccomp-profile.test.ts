import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SeccompSource } from '../../../../runtime-agent/oci-runner/bundle.ts';
import { seccompProfile } from '../../../../runtime-agent/oci-runner/seccomp.ts';

const allow = (names: readonly string[], more = {}) => ({ names, action: 'SCMP_ACT_ALLOW', ...more });

const SOURCE: SeccompSource = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow(['read', 'unshare', 'mount', 'clone', 'clone3', 'keyctl', 'syslog', 'socket']),
    { names: ['futex_waitv'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
    allow(['modify_ldt'], { includes: { arches: ['amd64', 'x32'] } }),
    allow(['bpf'], { includes: { caps: ['CAP_BPF'] } }),
    allow(['ptrace'], { includes: { minKernel: '4.8' } }),
    allow(['future'], { includes: { minKernel: '9.0' } }),
    { names: ['bpf'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, excludes: { caps: ['CAP_BPF'] } },
    allow(['personality'], { args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }] }),
  ],
};

const TARGET = { machine: 'x64', kernel: '6.18.44-amd64', capabilities: ['CAP_CHOWN'] };

function find(profile: ReturnType<typeof seccompProfile>, name: string) {
  return profile.syscalls.filter((rule) => rule.names.includes(name));
}

describe('seccompProfile', () => {
  it('keeps the rules of the machine, the kernel and the capabilities', () => {
    const profile = seccompProfile(SOURCE, TARGET);
    assert.deepEqual(profile.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
    assert.equal(profile.defaultErrnoRet, 38);
    assert.equal(find(profile, 'modify_ldt').length, 1);
    assert.equal(find(profile, 'ptrace').length, 1);
    assert.equal(find(profile, 'future').length, 0);
    assert.deepEqual(find(profile, 'bpf'), [{ names: ['bpf'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }]);
    assert.deepEqual(find(profile, 'personality')[0]?.args, [
      { index: 0, value: 8, valueTwo: 0, op: 'SCMP_CMP_EQ' },
    ]);
    const onArm = seccompProfile(SOURCE, { ...TARGET, machine: 'arm64', kernel: '4.7.0' });
    assert.deepEqual(onArm.architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
    assert.equal(find(onArm, 'modify_ldt').length, 0);
    assert.equal(find(onArm, 'ptrace').length, 0);
  });

  it('denies namespaces and mounts without SYS_ADMIN, so that libc falls back from clone3', () => {
    const profile = seccompProfile(SOURCE, TARGET);
    for (const name of ['unshare', 'mount', 'setns', 'pivot_root', 'fsmount']) {
      assert.deepEqual(
        find(profile, name).map(({ action, errnoRet }) => [action, errnoRet]),
        [['SCMP_ACT_ERRNO', 1]],
        name,
      );
    }
    assert.deepEqual(find(profile, 'clone3'), [
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
    ]);
    assert.deepEqual(find(profile, 'clone'), [
      allow(['clone'], { args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] }),
    ]);
    assert.deepEqual(find(profile, 'read'), [allow(['read'])]);
  });

  it('leaves them to a container that has SYS_ADMIN', () => {
    const profile = seccompProfile(SOURCE, { ...TARGET, capabilities: ['CAP_SYS_ADMIN', 'CAP_BPF'] });
    for (const name of ['unshare', 'clone', 'clone3', 'syslog']) {
      assert.deepEqual(
        find(profile, name).map(({ action, args }) => [action, args]),
        [['SCMP_ACT_ALLOW', undefined]],
        name,
      );
    }
    assert.deepEqual(find(profile, 'bpf'), [allow(['bpf'])]);
  });

  it('denies keys to all, and reaching the machine that hosts this one', () => {
    const profile = seccompProfile(SOURCE, { ...TARGET, capabilities: ['CAP_SYS_ADMIN'] });
    assert.deepEqual(
      find(profile, 'keyctl').map(({ action, errnoRet }) => [action, errnoRet]),
      [['SCMP_ACT_ERRNO', 1]],
    );
    assert.deepEqual(find(profile, 'socket'), [
      allow(['socket'], { args: [{ index: 0, value: 40, valueTwo: 0, op: 'SCMP_CMP_NE' }] }),
    ]);
    assert.deepEqual(
      find(profile, 'futex_waitv').map(({ action }) => action),
      ['SCMP_ACT_ALLOW'],
    );
  });

  it('knows no machine but its own', () => {
    assert.throws(() => seccompProfile(SOURCE, { ...TARGET, machine: 'mips' }), /mips/);
  });
});
