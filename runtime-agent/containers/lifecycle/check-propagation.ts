import { realpath } from 'node:fs/promises';
import { EngineError } from '../../errors.ts';
import { readMounts } from '../../linux/mount.ts';
import type { MountEntry } from '../../linux/mount-info.ts';
import type { MountPoint } from '../container.ts';

/**
 * Refuses binds that are to follow the mounts of the host (`slave`, `rslave`) where the host shares none of them with other
 * namespaces: what is mounted later would never appear. Throws EngineError 'runtime', worded as dockerd words it.
 */
export async function checkPropagation(points: readonly MountPoint[]): Promise<void> {
  const following = points.filter(({ propagation }) => propagation.endsWith('slave'));
  if (following.length === 0) return;
  const mounts = await readMounts();
  for (const { source } of following) {
    const entry = mountOf(await realpath(source), mounts);
    if (entry === undefined || entry.isShared || entry.isSlave) continue;
    throw new EngineError(
      'runtime',
      `path ${source} is mounted on ${entry.mountPoint} but it is not a shared or slave mount: before the agent starts, run mount --make-rshared ${entry.mountPoint}`,
    );
  }
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
