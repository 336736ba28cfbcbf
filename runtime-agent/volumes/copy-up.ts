import { closeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Libc } from '../linux/libc.ts';
import { openInRoot } from '../linux/open-in-root.ts';
import { runProcess } from '../linux/run-process.ts';

/**
 * Gives an empty volume what the image has at the place where the volume is mounted, with modes, owners, links and
 * extended attributes, as dockerd does at first use. `path` is resolved inside `rootfs`. A volume that holds something,
 * or an image that has no folder there, changes nothing.
 */
export async function copyUp(libc: Libc, rootfs: string, path: string, volume: string): Promise<void> {
  if ((await readdir(volume)).length > 0) return;
  const folder = openInRoot(libc, rootfs, path, 'folder');
  if (folder === undefined) return;
  try {
    const args = ['--archive', '--no-target-directory', '--', '/proc/self/fd/3/.', volume];
    const { exitCode, stderr } = await runProcess('cp', args, { descriptors: [folder] });
    if (exitCode !== 0) throw new Error(`the volume could not be filled from the image: ${stderr.trim()}`);
  } finally {
    closeSync(folder);
  }
}
