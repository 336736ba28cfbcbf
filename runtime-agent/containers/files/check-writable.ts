import { relative } from 'node:path/posix';
import { EngineError } from '../../errors.ts';
import type { Container } from '../container.ts';
import { planTmpfs } from '../plan/mount-points.ts';

/**
 * Whether files may be put at a path of a container, whose links have been followed: not in its image when that is
 * read-only, nor in what is mounted read-only. Throws EngineError 'bad-request', worded as dockerd words it.
 */
export function checkWritable({ mounts, hostConfig }: Container, path: string): void {
  const within = (destination: string) => {
    const rest = relative(destination, path);
    return rest !== '..' && !rest.startsWith('../');
  };
  // The innermost mount is the one that counts.
  const [point] = mounts
    .filter(({ destination }) => within(destination))
    .sort((a, b) => b.destination.length - a.destination.length);
  if (point !== undefined) {
    if (point.writable) return;
    throw new EngineError('bad-request', 'mounted volume is marked read-only');
  }
  const memory = [
    ...Object.keys(hostConfig.Tmpfs),
    ...planTmpfs(hostConfig.Mounts).map(({ destination }) => destination),
  ];
  if (!hostConfig.ReadonlyRootfs || memory.some(within)) return;
  throw new EngineError('bad-request', 'container rootfs is marked read-only');
}
