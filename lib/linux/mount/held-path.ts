import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { mkdir, readdir, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OutwardLinks, openInRootLater } from '../files/in-root.ts';
import type { Libc } from '../libc.ts';
import { SystemCallError } from '../mount-library.ts';
import { attachMounts, mount, unmount } from './mount.ts';

/** A folder or file of an untrusted tree, mounted at `path` until it is released. */
export interface HeldPath {
  /** Absolute, inside the agent's own folder, without any name from the tree. */
  readonly path: string;
  readonly isFolder: boolean;
  release(): Promise<void>;
}

/** Mount propagation from the source to the held mount (`slave`), and also back (`shared`). */
export type HeldPropagation = 'private' | 'slave' | 'shared';

/**
 * Mounts `path` of the tree `root` at a new place in `folder`. A runtime takes sources by path, follows links on the
 * host and handles only UTF-8 names; the new path contains none of the tree's names, and nobody who writes to the tree
 * can replace it. Links in `path` resolve inside `root`, in the thread pool, because the tree may be on a file server
 * that hangs. Returns undefined when the path does not exist. Throws Error with the code `EXDEV` if links out of the
 * tree are refused.
 */
export async function holdPath(
  libc: Libc,
  root: string,
  path: string,
  folder: string,
  outward: OutwardLinks = 'stay',
): Promise<HeldPath | undefined> {
  const inside = await openInRootLater(libc, root, path, outward);
  if (inside === undefined) return undefined;
  try {
    return await holdDescriptor(inside, folder);
  } finally {
    closeSync(inside);
  }
}

async function holdDescriptor(inside: number, folder: string): Promise<HeldPath> {
  return await hold(inside, folder, (target) =>
    mount({ source: `/proc/self/fd/${inside}`, target, type: 'none', flags: ['bind', 'recursive'] }),
  );
}

/** Attaches a mount tree, cloned by open_tree(2), at a new place in `folder`. The caller still owns the descriptor. */
export async function holdTree(
  tree: number,
  propagation: HeldPropagation,
  folder: string,
): Promise<HeldPath> {
  return await hold(tree, folder, async (target) => {
    await attachMounts(tree, target);
    if (propagation === 'shared') return;
    await mount({ source: 'none', target, type: 'none', flags: [propagation, 'recursive'] });
  });
}

async function hold(
  held: number,
  folder: string,
  attach: (place: string) => Promise<void>,
): Promise<HeldPath> {
  const place = join(folder, randomBytes(8).toString('hex'));
  const isFolder = (await stat(`/proc/self/fd/${held}`)).isDirectory();
  if (isFolder) await mkdir(place);
  else await writeFile(place, '', { flag: 'wx' });
  try {
    await attach(place);
  } catch (error) {
    await releasePlace(place);
    throw error;
  }
  return { path: place, isFolder, release: () => releasePlace(place) };
}

/** Releases held mounts that a killed agent has left in `folder`. */
export async function releaseHeld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await releasePlace(join(folder, name));
}

/** Never removes recursively: while something is mounted there, that would delete the tree's content. */
async function releasePlace(place: string): Promise<void> {
  // An unmount below a shared mount is propagated to the host's namespace.
  await mount({ source: 'none', target: place, type: 'none', flags: ['private', 'recursive'] }).catch(
    (error: unknown) => {
      if (!(error instanceof SystemCallError && error.code === 'EINVAL')) throw error;
    },
  );
  await unmount(place, { detach: true });
  await rmdir(place).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') throw error;
    await unlink(place);
  });
}
