import { closeSync, constants } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { type InRoot, O_PATH } from '../../../lib/linux/files/in-root.ts';
import { makeTreeReadOnly, mount } from '../../../lib/linux/mount/mount.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import { pathAt } from '../../snapshots/diff/tree-files.ts';

/** Mounts at a path of a container's tree as the runtime would, and creates the path if it is missing. */
export async function mountInView(inRoot: InRoot, root: number, point: OciMount): Promise<void> {
  const { source, destination, options } = point;
  const isFolder = (await stat(source)).isDirectory();
  const place = Buffer.from(destination).toString('latin1');
  const target = await openPlace(inRoot, root, place, isFolder);
  try {
    await mount({
      source,
      target: `/proc/self/fd/${target}`,
      type: 'none',
      flags: options.includes('rbind') ? ['bind', 'recursive'] : ['bind'],
    });
  } finally {
    closeSync(target);
  }
  if (!options.includes('ro') && !options.includes('rro')) return;
  const mounted = await openPlace(inRoot, root, place, isFolder);
  try {
    const path = `/proc/self/fd/${mounted}`;
    if (options.includes('rro')) await makeTreeReadOnly(path);
    else await mount({ source: 'none', target: path, type: 'none', flags: ['remount', 'bind', 'ro'] });
  } finally {
    closeSync(mounted);
  }
}

async function openPlace(inRoot: InRoot, root: number, path: string, isFolder: boolean): Promise<number> {
  try {
    return await inRoot.openLater(root, path, O_PATH);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const names = path.split('/').filter((name) => name !== '');
  for (const [index, name] of names.entries()) {
    const parent = await inRoot.openLater(
      root,
      names.slice(0, index).join('/'),
      O_PATH | constants.O_DIRECTORY,
    );
    try {
      if (index < names.length - 1 || isFolder) await makeFolder(parent, name);
      else await makeFile(parent, name);
    } finally {
      closeSync(parent);
    }
  }
  return await inRoot.openLater(root, path, O_PATH);
}

async function makeFolder(parent: number, name: string): Promise<void> {
  await mkdir(pathAt(parent, name), { mode: 0o755 }).catch(unlessThere);
}

/** Creates a file. An existing one is not opened: it may be a pipe without a peer. */
async function makeFile(parent: number, name: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const file = await open(pathAt(parent, name), flags, 0o644).catch(unlessThere);
  await file?.close();
}

function unlessThere(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'EEXIST') throw error;
}
