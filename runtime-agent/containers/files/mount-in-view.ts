import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type InRoot, O_PATH } from '../../linux/in-root.ts';
import { mount } from '../../linux/mount.ts';
import { pathAt } from '../../snapshots/diff/tree-files.ts';
import type { OciMount } from '../plan/oci-types.ts';

/** Mounts what the runtime would mount at a place of a container's tree, which is made where it is not there. */
export async function mountInView(inRoot: InRoot, root: number, point: OciMount): Promise<void> {
  const { source, destination, options } = point;
  const readOnly = options.some((option) => option === 'ro' || option === 'rro');
  const isFolder = (await stat(source)).isDirectory();
  const target = openPlace(inRoot, root, Buffer.from(destination).toString('latin1'), isFolder);
  try {
    const path = `/proc/self/fd/${target}`;
    // A read-only mount of a tree of mounts would need each of them made so.
    const recursive = !readOnly && options.includes('rbind');
    await mount({
      source,
      target: path,
      type: 'none',
      flags: recursive ? ['bind', 'recursive'] : ['bind'],
    });
    if (!readOnly) return;
    const mounted = openPlace(inRoot, root, Buffer.from(destination).toString('latin1'), isFolder);
    try {
      await mount({
        source: 'none',
        target: `/proc/self/fd/${mounted}`,
        type: 'none',
        flags: ['remount', 'bind', 'ro'],
      });
    } finally {
      closeSync(mounted);
    }
  } finally {
    closeSync(target);
  }
}

function openPlace(inRoot: InRoot, root: number, path: string, isFolder: boolean): number {
  try {
    return inRoot.open(root, path, O_PATH);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const names = path.split('/').filter((name) => name !== '');
  for (const [index, name] of names.entries()) {
    const parent = inRoot.open(root, names.slice(0, index).join('/'), O_PATH | constants.O_DIRECTORY);
    try {
      if (index < names.length - 1 || isFolder) makeFolder(parent, name);
      else makeFile(parent, name);
    } finally {
      closeSync(parent);
    }
  }
  return inRoot.open(root, path, O_PATH);
}

function makeFolder(parent: number, name: string): void {
  unlessThere(() => mkdirSync(pathAt(parent, name), { mode: 0o755 }));
}

/** What is there is not opened: it may be a pipe, and nobody at its other end for ever. */
function makeFile(parent: number, name: string): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  unlessThere(() => closeSync(openSync(pathAt(parent, name), flags, 0o644)));
}

function unlessThere(make: () => void): void {
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
