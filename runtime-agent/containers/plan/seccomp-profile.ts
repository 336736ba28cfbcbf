import type {
  SeccompFilter,
  SeccompProfile,
  SeccompRule,
  SeccompSource,
  SeccompSourceRule,
} from './seccomp-types.ts';

/** Where a profile is to hold. */
export interface SeccompTarget {
  /** As Node names it: x64, arm64 … */
  readonly machine: string;
  /** `6.18.44-amd64` and the like. */
  readonly kernel: string;
  readonly capabilities: readonly string[];
}

const MACHINES: Readonly<Record<string, { readonly goarch: string; readonly native: string }>> = {
  x64: { goarch: 'amd64', native: 'SCMP_ARCH_X86_64' },
  arm64: { goarch: 'arm64', native: 'SCMP_ARCH_AARCH64' },
};

const EPERM = 1;
const ENOSYS = 38;

/** What Docker gives only to a container that has SYS_ADMIN, while the source allows it to all. */
const ADMIN_ONLY = new Set([
  'mount',
  'umount',
  'umount2',
  'unshare',
  'setns',
  'pivot_root',
  'open_tree',
  'move_mount',
  'fsopen',
  'fsconfig',
  'fsmount',
  'fspick',
  'mount_setattr',
  'clone',
  'clone3',
]);

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const NAMESPACE_FLAGS = 0x7e020000;

/**
 * The default profile for one container: the source's rules that hold for its machine, kernel and capabilities and,
 * without SYS_ADMIN, none by which a process makes or enters namespaces or mounts. Those fail with EPERM as in Docker;
 * clone3 with ENOSYS, whose flags lie in memory where a filter cannot see them, so that libc falls back to clone.
 */
export function seccompProfile(source: SeccompSource, target: SeccompTarget): SeccompProfile {
  const machine = MACHINES[target.machine];
  if (machine === undefined) {
    throw new Error(`there is no default seccomp profile for the machine type ${target.machine}`);
  }
  const applying = source.syscalls.filter((rule) => applies(rule, target, machine.goarch)).map(toRule);
  const rules = target.capabilities.includes('CAP_SYS_ADMIN') ? applying : withoutNamespaces(applying);
  const sub = source.archMap.find((entry) => entry.architecture === machine.native)?.subArchitectures ?? [];
  return {
    defaultAction: source.defaultAction,
    ...(source.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: source.defaultErrnoRet }),
    architectures: [machine.native, ...sub],
    syscalls: rules,
  };
}

function withoutNamespaces(rules: readonly SeccompRule[]): readonly SeccompRule[] {
  const kept = rules
    .map((rule) => ({ ...rule, names: rule.names.filter((name) => !ADMIN_ONLY.has(name)) }))
    .filter((rule) => rule.names.length > 0);
  const denied = [...ADMIN_ONLY].filter((name) => name !== 'clone' && name !== 'clone3');
  return [
    ...kept,
    {
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    },
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    { names: denied, action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
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
