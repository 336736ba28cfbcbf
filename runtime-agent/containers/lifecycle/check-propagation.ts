import { realpath } from 'node:fs/promises';
import { EngineError } from '../../errors.ts';
import { readMounts } from '../../linux/mount.ts';
import type { MountEntry } from '../../linux/mount-info.ts';
import type { Container, MountPoint } from '../container.ts';
import { cleanPath, overlap } from '../plan/bind-text.ts';

/**
 * Refuses binds that are to follow the mounts of the host (`slave`, `rslave`) where the host shares none of them with other
 * namespaces: what is mounted later would never appear. Those that follow it because they hold the agent's own folder, and not
 * because the client says so, are mounted privately there. Answers the mount points as they are to be mounted. Throws EngineError
 * 'runtime', worded as dockerd words it.
 */
export async function checkPropagation(
  { mounts: points, hostConfig }: Pick<Container, 'mounts' | 'hostConfig'>,
  dataFolder: string,
): Promise<readonly MountPoint[]> {
  if (!points.some(follows)) return points;
  const mounts = await readMounts();
  const settled: MountPoint[] = [];
  for (const point of points) {
    const { source } = point;
    const entry = follows(point) ? mountOf(await realpath(source), mounts) : undefined;
    if (entry === undefined || entry.isShared || entry.isSlave) {
      settled.push(point);
      continue;
    }
    if (overlap(source, dataFolder) && !isAsked(point, hostConfig)) {
      settled.push({ ...point, propagation: 'rprivate' });
      continue;
    }
    throw new EngineError(
      'runtime',
      `path ${source} is mounted on ${entry.mountPoint} but it is not a shared or slave mount: before the agent starts, run mount --make-rshared ${entry.mountPoint}`,
    );
  }
  return settled;
}

function follows({ propagation }: MountPoint): boolean {
  return propagation.endsWith('slave');
}

/** Whether the client named the propagation. */
function isAsked({ mode, destination }: MountPoint, { Mounts }: Container['hostConfig']): boolean {
  return (
    mode.includes('slave') ||
    Mounts.some(
      ({ Target, BindOptions }) => cleanPath(Target) === destination && Boolean(BindOptions?.Propagation),
    )
  );
}

/** The mount that a path lies in: of those at the longest mount point the latest. */
export function mountOf(path: string, mounts: readonly MountEntry[]): MountEntry | undefined {
  let found: MountEntry | undefined;
  for (const entry of mounts) {
    const { mountPoint } = entry;
    const isAbove = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (isAbove && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = entry;
  }
  return found;
}
