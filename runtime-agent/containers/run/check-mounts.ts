import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { loadInRoot } from '../../../lib/linux/files/in-root.ts';
import type { HostMounts } from '../../../lib/linux/mount/host-mounts.ts';
import { EngineError } from '../../errors.ts';
import { evaluateLinks } from '../../snapshots/diff/evaluate-links.ts';
import type { ContainerInfo, MountPoint } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import { cleanPath, overlap } from '../plan/bind-text.ts';
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

/**
 * Refuses binds with propagation `slave` or `shared` whose source is on a private mount of the host: later mounts would
 * never propagate. Binds that are `slave` only because they hold the agent's own folder become private instead. Returns the
 * mount points with their effective propagation. Throws EngineError 'runtime' with dockerd's message.
 */
export async function checkPropagation(
  hostMounts: HostMounts,
  { mounts: points, hostConfig }: Pick<ContainerInfo, 'mounts' | 'hostConfig'>,
  dataFolder: string,
): Promise<readonly MountPoint[]> {
  const settled: MountPoint[] = [];
  for (const point of points) {
    const { source, propagation } = point;
    const shares = propagation.endsWith('shared');
    const entry = shares || propagation.endsWith('slave') ? await hostMounts.mountOf(source) : undefined;
    if (entry === undefined || entry.isShared || (entry.isSlave && !shares)) {
      settled.push(point);
      continue;
    }
    if (overlap(source, dataFolder) && !isAsked(point, hostConfig)) {
      settled.push({ ...point, propagation: 'rprivate' });
      continue;
    }
    const wanted = shares ? 'a shared mount' : 'a shared or slave mount';
    throw new EngineError(
      'runtime',
      `path ${source} is mounted on ${entry.mountPoint} but it is not ${wanted}: run mount --make-rshared ${entry.mountPoint} on the host`,
    );
  }
  return settled;
}

/** Reports whether the client requested the propagation. */
function isAsked({ mode, destination }: MountPoint, { Mounts }: ContainerInfo['hostConfig']): boolean {
  return (
    /slave|shared/.test(mode) ||
    Mounts.some(
      ({ Target, BindOptions }) => cleanPath(Target) === destination && Boolean(BindOptions?.Propagation),
    )
  );
}
