import { type CgroupLayout, hasBlockWeight } from '../../lib/linux/cgroups/cgroups.ts';
import type { HostConfig } from './container.ts';

/** What is said, in dockerd's words, where the kernel has no weights of block I/O; runtimes leave them out then. */
export function blockWeightWarnings({ BlockIo }: HostConfig, cgroups: CgroupLayout): readonly string[] {
  if (BlockIo.BlkioWeight === 0 || hasBlockWeight(cgroups)) return [];
  return ['Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'];
}
