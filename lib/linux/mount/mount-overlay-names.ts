import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../process/run-process.ts';
import type { OverlayFeatures, OverlayRequest } from './mount-overlay.ts';

/**
 * Mounts by mount(8). The options of mount(2) must fit one page: the layers get the names 0, 1 … in a folder of links that is the
 * working directory of mount(8). util-linux 2.41 cuts options at 255 bytes unless told to use mount(2). Throws Error.
 */
export async function mountOverlayByNames(request: OverlayRequest, features: OverlayFeatures): Promise<void> {
  const names = await mkdtemp(join(request.scratch, 'mount-'));
  try {
    await Promise.all([
      ...request.lower.map((folder, index) => symlink(folder, join(names, index.toString(36)))),
      symlink(request.upper, join(names, 'upper')),
      symlink(request.work, join(names, 'work')),
    ]);
    const lower = request.lower.map((_, index) => index.toString(36)).join(':');
    const extra = features.map(([key, value]) => `,${key}=${value}`).join('');
    const result = await runProcess(
      'mount',
      [
        '-i',
        '-t',
        'overlay',
        '-o',
        `nodev,lowerdir=${lower},upperdir=upper,workdir=work${extra}`,
        'overlay',
        request.target,
      ],
      { cwd: names, env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: 'always' }, timeout: 60_000 },
    );
    if (result.exitCode !== 0) {
      throw new Error(`cannot mount the overlay on ${request.target}: ${result.stderr.trim()}`);
    }
  } finally {
    await rm(names, { recursive: true, force: true });
  }
}
