import { mkdir } from 'node:fs/promises';
import { EngineError } from '../../errors.ts';
import { mount, unmount } from '../../linux/mount.ts';
import type { Container } from '../container.ts';
import { type ShmSource, shmOptions } from '../plan/mounts.ts';
import { type JoinedNamespaces, sharedContainerRef } from '../plan/namespaces.ts';
import type { RunPaths } from '../runtime/run-paths.ts';
import type { ContainerContext } from './context.ts';
import type { LiveContainer } from './live-container.ts';

/** What a run has of other containers and of the host, beside the network. */
export interface Joined {
  readonly namespaces: JoinedNamespaces;
  readonly shm: ShmSource;
}

/**
 * Finds the namespaces of other containers that one is to share, and its /dev/shm. Throws EngineError 'not-found', 'conflict'
 * where the other one does not run, or does not let others share.
 */
export async function joinNamespaces(
  context: ContainerContext,
  container: Container,
  paths: RunPaths,
): Promise<Joined> {
  const { PidMode, IpcMode } = container.hostConfig;
  const pid = sharedContainerRef(PidMode);
  const ipc = sharedContainerRef(IpcMode);
  const pidPath = pid === undefined ? undefined : namespaceOf(runningContainer(context, pid, 'PID'), 'pid');
  if (ipc !== undefined) {
    const donor = runningContainer(context, ipc, 'IPC');
    return { namespaces: { ...withPid(pidPath), ipc: namespaceOf(donor, 'ipc') }, shm: sharedShm(donor) };
  }
  return { namespaces: withPid(pidPath), shm: await ownShm(container, paths) };
}

/** Takes away the /dev/shm that a shareable container had outside of it. */
export async function releaseShm(paths: RunPaths): Promise<void> {
  await unmount(paths.shm, { detach: true });
}

function withPid(path: string | undefined): JoinedNamespaces {
  return path === undefined ? {} : { pid: path };
}

function runningContainer(context: ContainerContext, ref: string, what: 'PID' | 'IPC'): LiveContainer {
  const other = context.registry.find(ref);
  if (other.run === undefined) {
    throw new EngineError('conflict', `cannot join ${what} of a non running container: ${other.id}`);
  }
  return other;
}

function namespaceOf(other: LiveContainer, kind: 'pid' | 'ipc'): string {
  return `/proc/${other.run?.pid ?? 0}/ns/${kind}`;
}

function sharedShm(donor: LiveContainer): ShmSource {
  const mode = donor.container.hostConfig.IpcMode;
  if (mode === 'shareable') return { kind: 'bind', path: donor.paths.shm };
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  throw new EngineError(
    'conflict',
    `container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

async function ownShm({ hostConfig }: Container, paths: RunPaths): Promise<ShmSource> {
  const mode = hostConfig.IpcMode;
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  if (mode === 'none') return { kind: 'none' };
  if (mode !== 'shareable') return { kind: 'own' };
  // Outside of the container's own mounts, where others can be given it.
  await mkdir(paths.shm, { recursive: true, mode: 0o700 });
  await unmount(paths.shm, { detach: true });
  await mount({
    source: 'shm',
    target: paths.shm,
    type: 'tmpfs',
    flags: ['nosuid', 'nodev', 'noexec'],
    data: shmOptions(hostConfig).join(','),
  });
  return { kind: 'bind', path: paths.shm };
}
