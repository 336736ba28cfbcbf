import { EngineError } from '../errors.ts';

/** The name under which the kernel has the profile below. */
export const DEFAULT_PROFILE = 'berth-default';

/**
 * The AppArmor profile of containers and of RUN steps that ask for no other (apparmor.d(5)). It forbids what dockerd's `docker-default`
 * forbids, for the case that a container gets past its read-only and masked paths: settings and memory of the host in
 * /proc and /sys, mounts, and processes outside. It includes no file of the host and names no ABI, so every version of the parser
 * reads it alike.
 */
export const DEFAULT_PROFILE_TEXT = `
profile ${DEFAULT_PROFILE} flags=(attach_disconnected,mediate_deleted) {
  # Capabilities, seccomp, namespaces and device rules decide about these.
  capability,
  network,
  file,
  umount,

  # Mounting is for the runtime, which is done when the profile begins to hold.
  deny mount,
  deny remount,
  deny pivot_root,

  # Signals come from anywhere, as the sender's profile allows; they go to containers alone. So does ptrace.
  signal (receive),
  signal (send) peer=${DEFAULT_PROFILE},
  ptrace (readby, tracedby),
  ptrace (read, trace) peer=${DEFAULT_PROFILE},

  # Of /proc a process may change what belongs to processes: folders whose names are numbers.
  deny /proc/* wl,
  deny /proc/[^0-9]*/** wl,
  deny /proc/{kcore,kmem,mem,sysrq-trigger,latency_stats,timer_list,sched_debug} rwklx,

  # Of /sys it may change control groups, where they are writable at all.
  deny /sys/* wl,
  deny /sys/{[^f],f[^s],fs/[^c],fs/c[^g]}*/** wl,
  deny /sys/{firmware,kernel/security,kernel/debug,kernel/tracing,devices/virtual/powercap}/** rwklx,
}
`;

/**
 * The profile of a container, as dockerd chooses it: what it asks for, otherwise none for a privileged container and the default one
 * for others. Undefined where the host has no AppArmor (`hostDefault` is undefined).
 */
export function apparmorProfile(
  asked: string | undefined,
  privileged: boolean,
  hostDefault: string | undefined,
): string | undefined {
  if (hostDefault === undefined) return undefined;
  if (asked === undefined) return privileged ? 'unconfined' : hostDefault;
  return asked === 'docker-default' ? hostDefault : asked;
}

/** Throws EngineError 'not-implemented' where a container asks for a profile and the host has no AppArmor. */
export function checkApparmor(asked: string | undefined, hostDefault: string | undefined): void {
  if (asked === undefined || asked === 'unconfined' || hostDefault !== undefined) return;
  throw new EngineError(
    'not-implemented',
    `the AppArmor profile "${asked.slice(0, 80)}" cannot be applied: AppArmor is off on this host, so leave the option out`,
  );
}
