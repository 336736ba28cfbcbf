import { type HeldPath, type HeldPropagation, holdPath } from '../../../lib/linux/mount/held-path.ts';
import type { HostMounts } from '../../../lib/linux/mount/host-mounts.ts';
import { EngineError } from '../../errors.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import type { ContainerInfo, MountPoint } from '../container-info.ts';
import type { ContainerContext } from '../context.ts';
import { cleanPath, overlap } from '../plan/bind-text.ts';
import { ensureSource, unusable } from './acquire-mounts.ts';
import { checkProcMountsIn, tmpfsPlaces } from './check-proc-mounts.ts';

/** The mounts of a container's mount points. To be closed once the runtime has made them. */
export interface OpenedMounts {
  readonly mounts: readonly OciMount[];
  close(): Promise<void>;
}

/**
 * Fills empty volumes and opens the sources of mount points. Sources of the host are cloned from its mount namespace and
 * mounted separately; the clone for a `view` is never shared, so that unmounting it unmounts nothing on the host. A part of
 * a volume is mounted separately, so that it cannot be replaced by a link to a folder of the host. The container holds its
 * volumes until `context.volumeMounts.release`. Throws EngineError 'bad-request', or 'runtime' for a volume that cannot be
 * mounted.
 */
export async function openMountSources(
  context: ContainerContext,
  container: ContainerInfo,
  rootfs: string,
  purpose: 'run' | 'view',
): Promise<OpenedMounts> {
  const points = await checkPropagation(context.hostMounts, container, context.dataFolder);
  const parts: HeldPath[] = [];
  const close = async () => {
    for (const part of parts.splice(0).reverse()) await part.release();
  };
  try {
    const mounts: OciMount[] = [];
    for (const point of points) {
      if (point.type === 'bind') await ensureSource(context.hostMounts, point.source);
      const held =
        point.name === undefined ? undefined : await context.volumeMounts.hold(point.name, container.id);
      const writable = point.writable && held?.readOnly !== true;
      const isOfHost = point.type === 'bind' || held?.isOfHost === true;
      const whole = isOfHost ? await holdOfHost(context, point, purpose) : undefined;
      if (whole !== undefined) parts.push(whole);
      const folder = whole?.path ?? point.source;
      const part = point.subpath === '' ? undefined : await holdPart(context, folder, point.subpath);
      if (part !== undefined) parts.push(part);
      const source = part?.path ?? folder;
      if (point.copyUp && held?.readOnly !== true && part?.isFolder !== false) {
        await context.copyUp.fill(point.source, rootfs, point.destination, source);
      }
      mounts.push(bindMount({ ...point, writable }, source, held?.flags));
    }
    checkProcMountsIn(rootfs, [...mounts, ...tmpfsPlaces(container.hostConfig)]);
    return { mounts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Throws EngineError 'bad-request'. */
async function holdOfHost(
  context: ContainerContext,
  { source, recursive, propagation }: MountPoint,
  purpose: 'run' | 'view',
): Promise<HeldPath> {
  const kept = heldPropagation(propagation);
  const held = await context.hostMounts
    .hold(source, recursive, purpose === 'view' && kept === 'shared' ? 'slave' : kept, context.paths.parts)
    .catch((cause) => {
      throw unusable(source, cause);
    });
  if (held !== undefined) return held;
  throw unusable(source, new Error('it was removed meanwhile'));
}

function heldPropagation(propagation: MountPoint['propagation']): HeldPropagation {
  if (propagation.endsWith('shared')) return 'shared';
  return propagation.endsWith('slave') ? 'slave' : 'private';
}

/** Throws EngineError 'bad-request'. */
async function holdPart(context: ContainerContext, volume: string, subpath: string): Promise<HeldPath> {
  if (subpath.startsWith('/') || subpath.split('/').includes('..')) {
    throw new EngineError('bad-request', `subpath "${subpath.slice(0, 200)}" must stay inside the volume`);
  }
  const shown = subpath.slice(0, 200);
  const held = await holdPath(context.host.libc, volume, subpath, context.paths.parts, 'refused').catch(
    (cause) => {
      if ((cause as NodeJS.ErrnoException).code !== 'EXDEV') throw cause;
      const why = `path concatenation escapes the base directory: a link leads ${shown} out of the volume`;
      throw new EngineError('bad-request', why, { cause });
    },
  );
  if (held !== undefined) return held;
  throw new EngineError('bad-request', `cannot access path ${shown}: the volume has none: make it first`);
}

function bindMount(point: MountPoint, source: string, flags: readonly string[] = []): OciMount {
  const propagation = point.propagation === '' ? 'rprivate' : point.propagation;
  const options = [
    point.recursive ? 'rbind' : 'bind',
    // crun applies the `r` of a propagation to the bind.
    point.recursive ? propagation : propagation.replace(/^r/, ''),
    // `rro` includes submounts, as in dockerd since version 25.
    point.writable ? 'rw' : point.recursive && point.below !== 'writable' ? 'rro' : 'ro',
    ...flags,
  ];
  return { destination: point.destination, type: 'bind', source, options };
}

/**
 * Refuses binds with propagation `slave` or `shared` whose source is on a private mount of the host: later mounts would
 * never propagate. Binds that are `slave` only because they hold the agent's own folder become private instead. Returns the
 * mount points with their effective propagation. Throws EngineError 'runtime' with dockerd's message.
 */
async function checkPropagation(
  hostMounts: HostMounts,
  { mounts: points, hostConfig }: Pick<ContainerInfo, 'mounts' | 'hostConfig'>,
  dataFolder: string,
): Promise<readonly MountPoint[]> {
  const settled: MountPoint[] = [];
  for (const point of points) {
    const { source, propagation } = point;
    const shares = propagation.endsWith('shared');
    const entry = shares || propagation.endsWith('slave') ? await hostMounts.mountOf(source) : undefined;
    if (entry === undefined || entry.isShared || (entry.isSlave && !shares)) {
      settled.push(point);
      continue;
    }
    if (overlap(source, dataFolder) && !isAsked(point, hostConfig)) {
      settled.push({ ...point, propagation: 'rprivate' });
      continue;
    }
    const wanted = shares ? 'a shared mount' : 'a shared or slave mount';
    throw new EngineError(
      'runtime',
      `path ${source} is mounted on ${entry.mountPoint} but it is not ${wanted}: run mount --make-rshared ${entry.mountPoint} on the host`,
    );
  }
  return settled;
}

/** Whether the client named the propagation. */
function isAsked({ mode, destination }: MountPoint, { Mounts }: ContainerInfo['hostConfig']): boolean {
  return (
    /slave|shared/.test(mode) ||
    Mounts.some(
      ({ Target, BindOptions }) => cleanPath(Target) === destination && Boolean(BindOptions?.Propagation),
    )
  );
}
