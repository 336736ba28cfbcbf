import { readFile } from 'node:fs/promises';
import type {
  SeccompArgument,
  SeccompFilter,
  SeccompProfile,
  SeccompRule,
  SeccompSource,
  SeccompSourceRule,
} from './bundle.ts';

/** The machine, kernel and capabilities that a profile is for. */
export interface SeccompTarget {
  /** The machine as Node names it: x64, arm64 … */
  readonly machine: string;
  /** The kernel's release, such as `6.18.44-amd64`. */
  readonly kernel: string;
  readonly capabilities: readonly string[];
}

interface Machine {
  readonly goarch: string;
  readonly native: string;
}

const MACHINES: Readonly<Record<string, Machine>> = {
  x64: { goarch: 'amd64', native: 'SCMP_ARCH_X86_64' },
  arm64: { goarch: 'arm64', native: 'SCMP_ARCH_AARCH64' },
};

const EPERM = 1;
const ENOSYS = 38;

/** Calls that Docker allows only with one of these capabilities, while the source always allows them. */
const NEEDED: readonly (readonly [readonly string[], readonly string[]])[] = [
  [
    ['CAP_SYS_ADMIN'],
    'mount umount umount2 unshare setns open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr'.split(
      ' ',
    ),
  ],
  [['CAP_SYS_NICE'], ['get_mempolicy', 'mbind', 'set_mempolicy']],
  [['CAP_SYS_PTRACE'], ['pidfd_getfd']],
  [['CAP_SYS_BOOT'], ['reboot']],
  [['CAP_SYSLOG', 'CAP_SYS_ADMIN'], ['syslog']],
  // Keys belong to users of the host, not to containers, and only runtimes change roots: no container gets these.
  [[], ['keyctl', 'add_key', 'request_key', 'pivot_root']],
];

/** Calls that Docker always allows and the source never does; C libraries and databases use them. */
const HARMLESS = [
  'cachestat',
  'futex_requeue',
  'futex_wait',
  'futex_waitv',
  'futex_wake',
  'io_pgetevents',
  'io_pgetevents_time64',
  'map_shadow_stack',
  'vmsplice',
];

/** Sockets to the machine that hosts this virtual machine, which bypass every network namespace. */
const AF_VSOCK = 40;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;

/**
 * Returns the default profile for one container: the source's rules for its machine, kernel and capabilities, adjusted
 * to what Docker allows. Without SYS_ADMIN no process creates or enters namespaces, or mounts: that fails with EPERM;
 * clone3, whose flags are in memory where a filter cannot see them, fails with ENOSYS, so that libc falls back to
 * clone.
 */
export function seccompProfile(source: SeccompSource, target: SeccompTarget): SeccompProfile {
  const machine = machineOf(target);
  const denied = new Set(
    NEEDED.flatMap(([needed, names]) =>
      needed.some((capability) => target.capabilities.includes(capability)) ? [] : names,
    ),
  );
  const own = ownRules(denied, target.capabilities.includes('CAP_SYS_ADMIN'));
  const decided = new Set(own.flatMap((rule) => rule.names));
  const kept = source.syscalls
    .filter((rule) => applies(rule, target, machine.goarch))
    .map((rule) => toRule({ ...rule, names: rule.names.filter((name) => !decided.has(name)) }))
    .filter((rule) => rule.names.length > 0);
  return profileOf(source, machine, [...kept, ...own]);
}

/** Returns a client's profile for one container: the rules that apply to it, and no others. */
export function customSeccompProfile(source: SeccompSource, target: SeccompTarget): SeccompProfile {
  const machine = machineOf(target);
  const rules = source.syscalls.filter((rule) => applies(rule, target, machine.goarch)).map(toRule);
  return profileOf(source, machine, rules);
}

function machineOf(target: SeccompTarget): Machine {
  const machine = MACHINES[target.machine];
  if (machine === undefined) {
    throw new Error(`there is no default seccomp profile for the machine type ${target.machine}`);
  }
  return machine;
}

function profileOf(
  source: SeccompSource,
  machine: Machine,
  syscalls: readonly SeccompRule[],
): SeccompProfile {
  const sub = source.archMap.find((entry) => entry.architecture === machine.native)?.subArchitectures ?? [];
  return {
    defaultAction: source.defaultAction,
    ...(source.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: source.defaultErrnoRet }),
    architectures: [machine.native, ...sub],
    syscalls,
  };
}

function ownRules(denied: ReadonlySet<string>, administers: boolean): readonly SeccompRule[] {
  const allow = (names: readonly string[], args?: SeccompArgument): SeccompRule => ({
    names,
    action: 'SCMP_ACT_ALLOW',
    ...(args === undefined ? {} : { args: [args] }),
  });
  return [
    allow(HARMLESS),
    allow(['socket'], { index: 0, value: AF_VSOCK, valueTwo: 0, op: 'SCMP_CMP_NE' }),
    { names: [...denied], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
    ...(administers
      ? []
      : [
          allow(['clone'], { index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
          { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
        ]),
  ];
}

function applies(rule: SeccompSourceRule, target: SeccompTarget, goarch: string): boolean {
  const { includes, excludes } = rule;
  if (includes !== undefined) {
    if (includes.arches?.length && !includes.arches.includes(goarch)) return false;
    if (!(includes.caps ?? []).every((name) => target.capabilities.includes(name))) return false;
    if (includes.minKernel && !isKernelAtLeast(target.kernel, includes.minKernel)) return false;
  }
  return excludes === undefined || !isExcluded(excludes, target, goarch);
}

function isExcluded(filter: SeccompFilter, target: SeccompTarget, goarch: string): boolean {
  if (filter.arches?.includes(goarch)) return true;
  if (filter.caps?.some((name) => target.capabilities.includes(name))) return true;
  return Boolean(filter.minKernel) && isKernelAtLeast(target.kernel, filter.minKernel as string);
}

function isKernelAtLeast(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [minMajor = 0, minMinor = 0] = minimum.split('.').map(Number);
  return major > minMajor || (major === minMajor && minor >= minMinor);
}

function toRule(rule: SeccompSourceRule): SeccompRule {
  return {
    names: rule.names,
    action: rule.action,
    ...(rule.errnoRet === undefined || rule.errnoRet === null ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args?.length
      ? {
          args: rule.args.map(({ index, value, valueTwo, op }) => ({
            index,
            value,
            valueTwo: valueTwo ?? 0,
            op,
          })),
        }
      : {}),
  };
}

const PATH = '/usr/share/containers/seccomp.json';

/** Reads the distribution's seccomp rules. Throws an Error that names the package when they are not installed. */
export async function readSeccompSource(path = PATH): Promise<SeccompSource> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(
      `${path} is missing, without which containers would run unconfined: install the package golang-github-containers-common`,
    );
  }
  const source = JSON.parse(text) as SeccompSource;
  if (!Array.isArray(source.syscalls) || !Array.isArray(source.archMap)) {
    throw new Error(
      `${path} is not a seccomp profile: reinstall the package golang-github-containers-common`,
    );
  }
  return source;
}
