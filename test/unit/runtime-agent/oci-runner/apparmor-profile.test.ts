import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProcess } from '../../../../lib/linux/process/run-process.ts';
import { parseSecurityOptions } from '../../../../runtime-agent/containers/plan/security.ts';
import { systemInfo } from '../../../../runtime-agent/engine-api/views/system-info.ts';
import {
  apparmorProfile,
  checkApparmor,
  DEFAULT_PROFILE,
  DEFAULT_PROFILE_TEXT,
} from '../../../../runtime-agent/oci-runner/apparmor.ts';
import { FAKE_HOST } from '../engine-api/fakes/start-fake-engine.ts';

/** What `file` stands for. */
const EVERYTHING = '/{**,}';

/** What AppArmor's parser makes of the profile, without a kernel that has AppArmor. */
async function parse(args: readonly string[]) {
  const input = Buffer.from(DEFAULT_PROFILE_TEXT);
  return await runProcess('apparmor_parser', [...args], { input, maxOutput: 4 << 20 });
}

/** The paths that the profile forbids to write to, as the parser has understood its rules. */
async function forbiddenPaths(): Promise<(path: string) => boolean> {
  const { stdout, stderr } = await parse(['--skip-kernel-load', '--skip-cache', '--dump=rule-exprs']);
  const lines = [...`${stdout}\n${stderr}`.matchAll(/^aare: (\/\S*) +-> +(\S+)$/gm)];
  const patterns = lines
    .filter(([, rule]) => rule !== EVERYTHING)
    .map(([, , expression]) => new RegExp(`^${expression}$`));
  assert.ok(patterns.length >= 6, stdout);
  return (path) => patterns.some((pattern) => pattern.test(path));
}

test('the parser takes the profile, without a warning', async () => {
  const { exitCode, stderr } = await parse(['--skip-kernel-load', '--skip-cache']);
  assert.deepEqual(
    { exitCode, stderr: stderr.replace(/^Cache read\/write disabled.*\n/gm, '') },
    { exitCode: 0, stderr: '' },
  );
  assert.equal((await parse(['--names'])).stdout.trim(), DEFAULT_PROFILE);
});

test('what belongs to the host cannot be changed, and what belongs to processes and control groups can', async () => {
  const isForbidden = await forbiddenPaths();
  const forbidden = [
    '/proc/sysrq-trigger',
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/vm/drop_caches',
    '/proc/irq/1/smp_affinity',
    '/proc/bus/pci/00/00.0',
    '/proc/kcore',
    '/sys/kernel/uevent_helper',
    '/sys/kernel/security/apparmor/.remove',
    '/sys/kernel/debug/sched/debug',
    '/sys/firmware/efi/efivars/Boot0000',
    '/sys/fs/bpf/prog',
    '/sys/fs/ext4/vda/trigger_fs_error',
    '/sys/class/net/eth0/mtu',
    '/sys/devices/system/cpu/cpu1/online',
    '/sys/power/state',
  ];
  const free = [
    '/proc/1/oom_score_adj',
    '/proc/1/attr/current',
    '/proc/12/task/13/comm',
    '/sys/fs/cgroup/memory.max',
    '/sys/fs/cgroup/berth/x/cgroup.procs',
    '/etc/passwd',
    '/procedures/a/b',
    '/system/x',
    '/data/proc/sys/kernel/x',
  ];
  assert.deepEqual(
    forbidden.filter((path) => !isForbidden(path)),
    [],
  );
  assert.deepEqual(free.filter(isForbidden), []);
});

test('a container has the profile that dockerd would give it', () => {
  const profileOf = (
    options: readonly string[],
    privileged = false,
    host: string | undefined = DEFAULT_PROFILE,
  ) => apparmorProfile(parseSecurityOptions(options).apparmor, privileged, host);
  assert.equal(profileOf([]), DEFAULT_PROFILE);
  assert.equal(profileOf([], true), 'unconfined');
  assert.equal(profileOf(['apparmor=unconfined']), 'unconfined');
  assert.equal(profileOf(['apparmor:mine']), 'mine');
  assert.equal(profileOf(['apparmor=mine'], true), 'mine');
  assert.equal(profileOf(['apparmor=docker-default'], true), DEFAULT_PROFILE);
  assert.equal(apparmorProfile(undefined, false, undefined), undefined);
  for (const option of ['apparmor', 'apparmor=', 'apparmor=a\nb', `apparmor=${'x'.repeat(2000)}`]) {
    assert.throws(() => parseSecurityOptions([option]), { code: 'bad-request' });
  }
});

test('a profile is refused where the host has no AppArmor, rather than left out in silence', () => {
  assert.throws(() => checkApparmor('mine', undefined), {
    code: 'not-implemented',
    message: /AppArmor is off/,
  });
  for (const asked of [undefined, 'unconfined']) checkApparmor(asked, undefined);
  checkApparmor('mine', DEFAULT_PROFILE);
});

test('docker info says whether containers are confined', () => {
  const optionsOf = (host: typeof FAKE_HOST) => {
    const { SecurityOptions } = systemInfo(host, [], 0, [], '') as { readonly SecurityOptions: string[] };
    return SecurityOptions;
  };
  assert.ok(optionsOf({ ...FAKE_HOST, apparmor: DEFAULT_PROFILE }).includes('name=apparmor'));
  assert.ok(!optionsOf(FAKE_HOST).includes('name=apparmor'));
});
