import { access, readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { runProcess } from '../../lib/linux/process/run-process.ts';
import { EngineError } from '../errors.ts';

/** Name of the profile below in the kernel. */
export const DEFAULT_PROFILE = 'berth-default';

/**
 * The AppArmor profile of containers and of RUN steps that request no other (apparmor.d(5)). It forbids what dockerd's
 * `docker-default` forbids, in case a container gets past its read-only and masked paths: settings and memory of the
 * host in /proc and /sys, mounts, and processes outside. It includes no file of the host and names no ABI, so every
 * version of the parser reads it alike.
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
 * Chooses the profile of a container as dockerd does: the requested one, otherwise none for a privileged container and
 * the default for others. Returns undefined if the host has no AppArmor (`hostDefault` is undefined).
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

/** Throws EngineError 'not-implemented' if a container requests a profile and the host has no AppArmor. */
export function checkApparmor(asked: string | undefined, hostDefault: string | undefined): void {
  if (asked === undefined || asked === 'unconfined' || hostDefault !== undefined) return;
  throw new EngineError(
    'not-implemented',
    `the AppArmor profile "${asked.slice(0, 80)}" cannot be applied: AppArmor is off on this host, so leave the option out`,
  );
}

const ENABLED = '/sys/module/apparmor/parameters/enabled';
const POLICY = '/sys/kernel/security/apparmor';
/** Program of the package apparmor that loads profiles. */
export const PARSER = 'apparmor_parser';

const TIMEOUT = 60_000;

/**
 * Reports whether this process can confine others with AppArmor: it is enabled in the kernel, and the process is not in
 * a container.
 */
export async function hasApparmor(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (environment.container !== undefined && environment.container !== '') return false;
  const enabled = await readFile(ENABLED, 'latin1').catch(() => 'N');
  if (!enabled.startsWith('Y')) return false;
  return access(POLICY).then(
    () => true,
    () => false,
  );
}

/**
 * Loads the profile of containers into the kernel, replacing an older one, and returns its name; undefined if the host
 * has no AppArmor or no parser. Logs a missing parser. Throws an Error if the profile cannot be loaded: on a host with
 * AppArmor no container runs without it.
 */
export async function loadApparmor(
  log: Logger,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (!(await hasApparmor(environment))) return undefined;
  let failure: string;
  try {
    // Without a cache, which would have to be invalidated; the profile is small.
    const args = ['--skip-cache', '--replace', '--quiet'];
    const input = Buffer.from(DEFAULT_PROFILE_TEXT);
    const ran = await runProcess(PARSER, args, { input, timeout: TIMEOUT });
    if (ran.exitCode === 0) return DEFAULT_PROFILE;
    failure = ran.stderr.trim().slice(0, 500);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    log.warn('AppArmor is on, but containers are not confined by it: install the package apparmor');
    return undefined;
  }
  throw new Error(`the AppArmor profile ${DEFAULT_PROFILE} cannot be loaded: ${failure}`);
}
