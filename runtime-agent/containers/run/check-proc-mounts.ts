import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { EngineError } from '../../errors.ts';
import { evaluateLinks } from '../../snapshots/diff/evaluate-links.ts';
import type { HostConfig } from '../container.ts';
import { cleanPath } from '../plan/bind-text.ts';
import { planTmpfs } from '../plan/mount-points.ts';

/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

/** A mount as far as it matters where it goes. */
interface PlacedMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
}

/** Refuses mounts over /proc by their destinations as they are written. Throws EngineError 'bad-request'. */
export function checkProcMounts(mounts: readonly PlacedMount[]): void {
  for (const mount of mounts) check(mount, mount.destination);
}

/** The same where links of the root file system lead there. */
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

/** The tmpfs mounts of a container. */
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

/** Files of /proc that a container may see its own of, as lxcfs makes them; the same as runc allows. */
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
 * Refuses a mount that would put something else in the place of /proc or of what is in it: runtimes write there what confines
 * the process, and programs trust what they read. `destination` is clean, and without links. Throws EngineError 'bad-request',
 * worded as runc words it for dockerd.
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
