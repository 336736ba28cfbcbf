import type { HostMounts } from '../../../lib/linux/mount/host-mounts.ts';
import { EngineError } from '../../errors.ts';
import type { Container, MountPoint } from '../container.ts';
import { cleanPath, overlap } from '../plan/bind-text.ts';

/**
 * Refuses binds that are to follow the mounts of the host (`slave`), or to have their own appear there (`shared`), where the host
 * shares none with other namespaces: what is mounted later would never appear. Those that follow it because they hold the agent's
 * own folder, and not because the client says so, are mounted privately there. Answers the mount points as they are to be mounted.
 * Throws EngineError 'runtime', worded as dockerd words it.
 */
export async function checkPropagation(
  hostMounts: HostMounts,
  { mounts: points, hostConfig }: Pick<Container, 'mounts' | 'hostConfig'>,
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

/** Whether the client named the propagation. */
function isAsked({ mode, destination }: MountPoint, { Mounts }: Container['hostConfig']): boolean {
  return (
    /slave|shared/.test(mode) ||
    Mounts.some(
      ({ Target, BindOptions }) => cleanPath(Target) === destination && Boolean(BindOptions?.Propagation),
    )
  );
}
