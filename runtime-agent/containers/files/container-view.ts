import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { access, mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type InRoot, O_PATH } from '../../../lib/linux/files/in-root.ts';
import { mount, unmount } from '../../../lib/linux/mount/mount.ts';
import { isProcessAlive } from '../../../lib/linux/process/proc.ts';
import type { Images } from '../../images/images.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import type { RootfsOverlays } from '../../snapshots/rootfs-overlays.ts';
import { type Container, containerBase } from '../container.ts';
import type { ContainerMounts } from '../run/container-mounts.ts';
import { mountInView } from './mount-in-view.ts';

/** A container's files as the container sees them. */
export interface ContainerView {
  /** Descriptor of its root folder. Paths in it are for openat2's RESOLVE_IN_ROOT only. */
  readonly root: number;
  /** Closes the view; required. */
  close(): Promise<void>;
}

export interface ViewDeps {
  readonly images: Images;
  readonly overlays: RootfsOverlays;
  readonly mounts: ContainerMounts;
}

/**
 * Opens the root of a container with all that is mounted there: in its own mount namespace while it runs, otherwise in a
 * mount made for it, and then the container is neither started nor removed until `close`. Throws EngineError 'not-found',
 * 'conflict' for one that is being removed.
 */
export async function openView(deps: ViewDeps, inRoot: InRoot, container: Container): Promise<ContainerView> {
  const root = openRunning(container);
  if (root !== undefined) return { root, close: async () => closeSync(root) };
  const opened = Promise.withResolvers<ContainerView>();
  const closed = Promise.withResolvers<void>();
  const held = container.lock(async () => {
    container.checkUsable();
    const running = openRunning(container);
    if (running !== undefined) {
      opened.resolve({ root: running, close: async () => closeSync(running) });
      return;
    }
    await withStopped(deps, inRoot, container, async (stopped) => {
      opened.resolve({
        root: stopped,
        close: async () => {
          closed.resolve();
          await held;
        },
      });
      await closed.promise;
    });
  });
  held.catch(opened.reject);
  return await opened.promise;
}

/** Returns undefined if it is not running. */
function openRunning({ run }: Container): number | undefined {
  if (run === undefined) return undefined;
  let root: number;
  try {
    root = openSync(`/proc/${run.pid}/root`, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  // Checked after opening: by now the number may belong to another process.
  if (isProcessAlive(run.pid, run.startTime)) return root;
  closeSync(root);
  return undefined;
}

async function withStopped(
  deps: ViewDeps,
  inRoot: InRoot,
  container: Container,
  work: (root: number) => Promise<void>,
): Promise<void> {
  const { id, info, paths } = container;
  const { diffIds } = await containerBase(deps.images, info);
  const rootfs = await deps.overlays.mount(id, diffIds);
  const folder = join(deps.mounts.partsFolder, randomBytes(8).toString('hex'));
  try {
    const opened = await deps.mounts.open(info, rootfs.path, 'view');
    try {
      await mkdir(folder);
      await mount({ source: rootfs.path, target: folder, type: 'none', flags: ['bind'] });
      await mount({ source: 'none', target: folder, type: 'none', flags: ['private'] });
      const root = openSync(folder, O_PATH | constants.O_DIRECTORY);
      try {
        const points = opened.mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));
        for (const point of [...(await etcFiles(paths)), ...points]) await mountInView(inRoot, root, point);
        if (info.hostConfig.ReadonlyRootfs) {
          await mount({ source: 'none', target: folder, type: 'none', flags: ['remount', 'bind', 'ro'] });
        }
        await work(root);
      } finally {
        closeSync(root);
      }
    } finally {
      await unmount(folder, { detach: true });
      await rmdir(folder).catch(() => undefined);
      await opened.close();
    }
  } finally {
    await deps.mounts.endRun(id);
    await deps.overlays.unmount(id);
  }
}

/** Returns the /etc files of the last run; none if the container was never started. */
async function etcFiles(paths: Container['paths']): Promise<readonly OciMount[]> {
  const mounts: OciMount[] = [];
  for (const [destination, source] of [
    ['/etc/hosts', paths.hosts],
    ['/etc/hostname', paths.hostname],
    ['/etc/resolv.conf', paths.resolvConf],
  ] as const) {
    const exists = await access(source).then(
      () => true,
      () => false,
    );
    if (exists) mounts.push({ destination, type: 'bind', source, options: ['bind', 'rw'] });
  }
  return mounts;
}

function depth(path: string): number {
  return path.split('/').length;
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
