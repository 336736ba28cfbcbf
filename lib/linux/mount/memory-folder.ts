import { mkdir } from 'node:fs/promises';
import { removeTree } from '../files/remove-tree.ts';
import { SystemCallError } from '../mount-library.ts';
import { mount, unmount } from './mount.ts';

/**
 * Mounts an empty in-memory file system for root alone on `folder`, whatever an earlier process left there. Its parent
 * must belong to the agent. Where the kernel can (Linux 6.4), its content is never swapped. Throws SystemCallError.
 */
export async function makeMemoryFolder(folder: string): Promise<void> {
  while (await unmount(folder, { detach: true }));
  await removeTree(folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const request = { source: 'tmpfs', target: folder, type: 'tmpfs', flags: ['nosuid', 'nodev'] } as const;
  try {
    await mount({ ...request, data: 'mode=0700,noswap' });
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'EINVAL') throw error;
    await mount({ ...request, data: 'mode=0700' });
  }
}
