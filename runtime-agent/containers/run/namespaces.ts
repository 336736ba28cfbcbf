import { mkdir } from 'node:fs/promises';
import { mount, unmount } from '../../../lib/linux/mount/mount.ts';
import { type OpenNamespace, openProcessNamespace } from '../../../lib/linux/process/process-namespace.ts';
import { EngineError } from '../../errors.ts';
import type { RunPaths } from '../../oci-runner/run-paths.ts';
import type { Container } from '../container.ts';
import type { ContainerIndex } from '../container-index.ts';
import type { ContainerInfo } from '../container-info.ts';
import { type ShmSource, shmOptions } from '../plan/mounts.ts';
import { type JoinedNamespaces, sharedContainerRef } from '../plan/oci-spec.ts';

/** Namespaces and /dev/shm that a run shares with other containers or the host, apart from the network. */
export interface Joined {
  readonly namespaces: JoinedNamespaces;
  readonly shm: ShmSource;
  /** Closes the namespaces. To be called after the runtime has joined them or failed. */
  release(): void;
}

/**
 * Opens the namespaces that a container shares with others, and its /dev/shm. Throws EngineError 'not-found', 'runtime' or
 * 'conflict' if the other container does not run, and 'bad-request' if it is not shareable.
 */
export async function joinNamespaces(index: ContainerIndex, { info, paths }: Container): Promise<Joined> {
  const { PidMode, IpcMode } = info.hostConfig;
  const pid = sharedContainerRef(PidMode);
  const ipc = sharedContainerRef(IpcMode);
  const donor = ipc === undefined ? undefined : index.find(ipc);
  const opened: { pid?: OpenNamespace; ipc?: OpenNamespace } = {};
  const release = () => {
    for (const namespace of Object.values(opened)) namespace.close();
  };
  try {
    if (pid !== undefined) opened.pid = namespaceOf(index.find(pid), 'pid');
    if (donor !== undefined) opened.ipc = namespaceOf(donor, 'ipc');
    const shm = donor === undefined ? await ownShm(info, paths) : sharedShm(donor);
    const namespaces = Object.fromEntries(Object.entries(opened).map(([kind, { path }]) => [kind, path]));
    return { namespaces, shm, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Unmounts the /dev/shm of a shareable container. */
export async function releaseShm(paths: RunPaths): Promise<void> {
  await unmount(paths.shm, { detach: true });
}

function namespaceOf({ id, run }: Container, kind: 'pid' | 'ipc'): OpenNamespace {
  const namespace = run && openProcessNamespace(run, kind);
  if (namespace === undefined) {
    // dockerd returns 500 for the one and 409 for the other.
    const code = kind === 'pid' ? 'runtime' : 'conflict';
    throw new EngineError(
      code,
      `failed to join ${kind.toUpperCase()} namespace: container ${id} is not running`,
    );
  }
  return namespace;
}

function sharedShm(donor: Container): ShmSource {
  const mode = donor.info.hostConfig.IpcMode;
  if (mode === 'shareable') return { kind: 'bind', path: donor.paths.shm };
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  throw new EngineError(
    'bad-request',
    `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

async function ownShm({ hostConfig }: ContainerInfo, paths: RunPaths): Promise<ShmSource> {
  const mode = hostConfig.IpcMode;
  if (mode === 'host') return { kind: 'bind', path: '/dev/shm' };
  if (mode === 'none') return { kind: 'none' };
  if (mode !== 'shareable') return { kind: 'own' };
  // Outside of the container's own mounts, so that it can be shared.
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
