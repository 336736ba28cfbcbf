import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import { mkdir, readdir, rmdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../errors.ts';
import type { Libc } from '../linux/libc.ts';
import { mount, unmount } from '../linux/mount.ts';
import { openInRoot } from '../linux/open-in-root.ts';

/** A folder or file inside a volume, mounted at `path` until it is released. */
export interface HeldPart {
  readonly path: string;
  release(): Promise<void>;
}

/**
 * Mounts part of a volume in `folder`, so that it can be handed to the runtime by a path that nobody who writes to the
 * volume can turn into a link to the host. Links are resolved inside the volume. Throws EngineError 'bad-request'.
 */
export async function holdPart(
  libc: Libc,
  volume: string,
  subpath: string,
  folder: string,
): Promise<HeldPart> {
  if (subpath.startsWith('/') || subpath.split('/').includes('..')) {
    throw new EngineError('bad-request', `subpath "${subpath.slice(0, 200)}" must stay inside the volume`);
  }
  const inside = openInRoot(libc, volume, subpath);
  if (inside === undefined) {
    throw new EngineError('bad-request', `the volume has no ${subpath.slice(0, 200)}: make it first`);
  }
  const path = join(folder, randomBytes(8).toString('hex'));
  try {
    if (fstatSync(inside).isDirectory()) await mkdir(path);
    else await writeFile(path, '', { flag: 'wx' });
    await mount({
      source: `/proc/self/fd/${inside}`,
      target: path,
      type: 'none',
      flags: ['bind', 'recursive'],
    });
  } finally {
    closeSync(inside);
  }
  return { path, release: () => releasePart(path) };
}

/** Releases what an agent that was killed has held in `folder`. */
export async function releaseParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await releasePart(join(folder, name));
}

/** Never removes recursively: while something is mounted there, that would be the volume's content. */
async function releasePart(path: string): Promise<void> {
  await unmount(path, { detach: true });
  await rmdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') throw error;
    await unlink(path);
  });
}
