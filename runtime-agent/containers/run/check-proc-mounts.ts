import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { EngineError } from '../../errors.ts';
import { evaluateLinks } from '../../snapshots/diff/evaluate-links.ts';
import type { HostConfig } from '../container-info.ts';
import { cleanPath } from '../plan/bind-text.ts';
import { planTmpfs } from '../plan/mount-points.ts';

/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

/** A mount and its destination. */
interface PlacedMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
}

/** Refuses mounts over /proc by their destinations as written. Throws EngineError 'bad-request'. */
export function checkProcMounts(mounts: readonly PlacedMount[]): void {
  for (const mount of mounts) check(mount, mount.destination);
}

/**
 * Refuses mounts over /proc by their destinations in a root file system, whose links are followed. Throws EngineError
 * 'bad-request'.
 */
export function checkProcMountsIn(rootfs: string, mounts: readonly PlacedMount[]): void {
  if (mounts.length === 0) return;
  const inRoot = loadInRoot();
  const root = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const mount of mounts) {
      const path = Buffer.from(mount.destination).toString('latin1');
      const resolved = evaluateLinks(inRoot, root, path);
      if (resolved !== undefined) check(mount, Buffer.from(resolved, 'latin1').toString('utf8'));
    }
  } finally {
    closeSync(root);
  }
}

/** Returns the tmpfs mounts of a container. */
export function tmpfsPlaces({ Tmpfs, Mounts }: HostConfig): readonly PlacedMount[] {
  const paths = [
    ...Object.keys(Tmpfs).map(cleanPath),
    ...planTmpfs(Mounts).map(({ destination }) => destination),
  ];
  return paths.map((destination) => ({ destination, type: 'tmpfs', source: 'tmpfs' }));
}

function check({ source, type }: PlacedMount, destination: string): void {
  refuseOverProc(
    destination,
    source,
    () => type === 'bind' && source.startsWith('/') && statfsSync(source).type === PROC_SUPER_MAGIC,
  );
}

/** Files of /proc that may be replaced, as lxcfs does; the same as in runc. */
const REPLACEABLE: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
);

/**
 * Refuses a mount that would replace /proc or a part of it: runtimes confine the process by writing there, and programs
 * trust its content. `destination` is clean and has no links. Throws EngineError 'bad-request' with runc's message.
 */
function refuseOverProc(destination: string, source: string, isProcSource: () => boolean): void {
  const at = `error mounting ${JSON.stringify(source)} to rootfs at "${destination}": "${destination}" cannot be mounted because`;
  if (destination === '/proc') {
    if (!isProcSource()) throw new EngineError('bad-request', `${at} it is not of type proc`);
    return;
  }
  if (!destination.startsWith('/proc/') || REPLACEABLE.has(destination)) return;
  throw new EngineError('bad-request', `${at} it is inside /proc`);
}
