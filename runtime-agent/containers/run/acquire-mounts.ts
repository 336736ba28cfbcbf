import { closeSync } from 'node:fs';
import type { HostMounts } from '../../../lib/linux/mount/host-mounts.ts';
import { EngineError, isEngineError } from '../../errors.ts';
import type { ContainerConfig, HostConfig, MountPoint } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import type { LiveContainer } from '../live-container.ts';
import { type MountPlan, planMountPoints } from '../plan/mount-points.ts';
import { checkProcMounts, tmpfsPlaces } from './check-proc-mounts.ts';

/**
 * Acquires the volumes of a container and checks its binds. Releases all of them when one fails. Throws EngineError
 * 'bad-request'.
 */
export async function acquireMounts(
  context: ContainerContext,
  id: string,
  config: ContainerConfig,
  hostConfig: HostConfig,
): Promise<readonly MountPoint[]> {
  const inherited = hostConfig.VolumesFrom.flatMap((text) => volumesFrom(context, text));
  const points: MountPoint[] = [];
  const plans = planMountPoints(config, hostConfig, inherited, context.dataFolder);
  checkProcMounts([...plans.map(placeOf), ...tmpfsPlaces(hostConfig)]);
  try {
    for (const plan of plans) {
      points.push(await acquire(context, id, plan));
    }
  } catch (error) {
    await releaseMounts(context, id, points, true);
    throw error;
  }
  return points;
}

function placeOf({ destination, from }: MountPlan) {
  return { destination, type: 'bind', source: from.kind === 'bind' ? from.path : (from.request.name ?? '') };
}

/** Releases the volumes of a container. With `removes`, removes its anonymous volumes that no other container uses. */
export async function releaseMounts(
  context: ContainerContext,
  id: string,
  points: readonly MountPoint[],
  removes: boolean,
): Promise<void> {
  for (const { name } of points) {
    if (name === undefined) continue;
    context.volumes.release(name, id);
    if (!removes || context.volumes.users(name).length > 0) continue;
    const volume = await context.volumes.get(name).catch(unlessMissing);
    if (volume?.anonymous) await context.volumes.remove(name, true);
  }
}

/** Makes a missing `-v` source as a folder, as dockerd does. An existing file is kept. */
export async function ensureSource(hostMounts: HostMounts, path: string): Promise<void> {
  await hostMounts.ensureFolder(path).catch((cause) => {
    throw unusable(path, cause);
  });
}

async function acquire(
  context: ContainerContext,
  id: string,
  { from, ...point }: MountPlan,
): Promise<MountPoint> {
  if (from.kind === 'volume') {
    const volume = await context.volumes.acquire(from.request, id);
    return { ...point, name: volume.name, source: volume.mountpoint };
  }
  if (from.missing === 'make') await ensureSource(context.hostMounts, from.path);
  else {
    const fd = await context.hostMounts.open(from.path).catch((cause) => {
      throw unusable(from.path, cause);
    });
    if (fd === undefined) {
      throw new EngineError(
        'bad-request',
        `invalid mount config for type "bind": bind source path does not exist: ${from.path}`,
      );
    }
    closeSync(fd);
  }
  return { ...point, source: from.path };
}

function volumesFrom(context: ContainerContext, text: string): readonly MountPoint[] {
  const [, ref = '', mode = ''] = /^(.+?)(?::([^:]*))?$/.exec(text) ?? [];
  if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) {
    throw new EngineError('bad-request', `invalid mode: ${mode.slice(0, 80)}`);
  }
  return findDonor(context, ref).container.mounts.map((point) => ({
    ...point,
    // As in dockerd, regardless of the donor's options.
    mode: '',
    writable: point.writable && mode !== 'ro',
    copyUp: false,
  }));
}

/**
 * Finds a container that another one names. Throws 'bad-request' since the CLI would take 'not-found' for a missing image
 * and pull it.
 */
export function findDonor(context: Pick<ContainerContext, 'index'>, ref: string): LiveContainer {
  try {
    return context.index.find(ref);
  } catch (cause) {
    if (!isEngineError(cause)) throw cause;
    throw new EngineError('bad-request', cause.message, { cause });
  }
}

export function unusable(path: string, cause: unknown): EngineError {
  const { message } = cause as Error;
  return new EngineError('bad-request', `the folder ${path} of the host cannot be mounted: ${message}`, {
    cause,
  });
}

function unlessMissing(error: unknown): undefined {
  if (isEngineError(error) && error.code === 'not-found') return undefined;
  throw error;
}
