import { posix } from 'node:path';
import { MAX_INHERITED_MOUNTS } from '../../bounds.ts';
import { EngineError } from '../../errors.ts';
import type { VolumeRequest } from '../../volumes/volume.ts';
import type { ContainerConfig, MountPoint } from '../container-info.ts';
import type { HostConfig } from '../host-config.ts';
import type { MountRequest } from '../mount-request.ts';
import {
  bindPropagation,
  checkDestination,
  cleanPath,
  isPropagation,
  parseBind,
  parseVolumesFrom,
} from './bind-text.ts';

/** A mount point whose volume or source has not been checked yet. */
export interface MountPlan extends Omit<MountPoint, 'name' | 'source'> {
  readonly from:
    | { readonly kind: 'volume'; readonly request: VolumeRequest }
    /** `missing`: whether a missing source is created as a folder or refused. */
    | { readonly kind: 'bind'; readonly path: string; readonly missing: 'make' | 'refuse' };
}

/** A `--mount type=tmpfs` as `--tmpfs` options. */
export interface TmpfsPlan {
  readonly destination: string;
  readonly options: string;
}

const WHOLE = { recursive: true, subpath: '' } as const;

/**
 * Returns all mount points of a new container, in dockerd's order of precedence: those of other containers
 * (`inherited`, by --volumes-from), `-v`, `--mount`, and then the volumes of the image at free paths. `dataFolder` is
 * the agent's own. Throws EngineError 'bad-request' when two have the same path, 'not-implemented'.
 */
export function planMountPoints(
  config: Pick<ContainerConfig, 'Volumes'>,
  hostConfig: Pick<HostConfig, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumeDriver'>,
  inherited: readonly MountPoint[],
  dataFolder?: string,
): readonly MountPlan[] {
  const driver = hostConfig.VolumeDriver;
  const plans = new Map<string, MountPlan>();
  for (const point of inherited) plans.set(point.destination, inheritedPlan(point));
  const taken = new Set([
    ...Object.keys(hostConfig.Tmpfs).map(cleanPath),
    ...hostConfig.Mounts.filter(({ Type }) => Type === 'tmpfs').map(({ Target }) => cleanPath(Target)),
  ]);
  const add = (plan: MountPlan) => {
    if (taken.has(plan.destination)) {
      throw new EngineError('bad-request', `Duplicate mount point: ${plan.destination}`);
    }
    taken.add(plan.destination);
    plans.set(plan.destination, plan);
  };
  for (const text of hostConfig.Binds) add(bindPlan(text, driver, dataFolder));
  for (const request of hostConfig.Mounts) {
    const plan = requestPlan(request, driver, dataFolder);
    if (plan !== undefined) add(plan);
  }
  for (const path of Object.keys(config.Volumes ?? {})) {
    // The CLI and images send volumes without a leading slash; dockerd resolves them from the root.
    const destination = checkDestination(`/${path}`, 'volume');
    if (taken.has(destination) || plans.has(destination)) continue;
    plans.set(destination, volumePlan(destination, { driver }));
  }
  return [...plans.values()];
}

/**
 * Returns the mount points that VolumesFrom names, later ones last; `mountsOf` returns those of a container. Throws EngineError
 * 'bad-request', also for too many.
 */
export function inheritedMounts(
  volumesFrom: readonly string[],
  mountsOf: (container: string) => readonly MountPoint[],
): readonly MountPoint[] {
  const inherited: MountPoint[] = [];
  for (const text of volumesFrom) {
    const { container, writable } = parseVolumesFrom(text);
    const mounts = mountsOf(container);
    if (inherited.length + mounts.length > MAX_INHERITED_MOUNTS) {
      const why = `--volumes-from names more than ${MAX_INHERITED_MOUNTS} mount points: use fewer containers`;
      throw new EngineError('bad-request', why);
    }
    for (const point of mounts) {
      // As in dockerd, regardless of the donor's options.
      inherited.push({ ...point, mode: '', writable: point.writable && writable, copyUp: false });
    }
  }
  return inherited;
}

/** Returns the tmpfs mounts among `--mount`. Throws EngineError 'bad-request'. */
export function planTmpfs(mounts: readonly MountRequest[]): readonly TmpfsPlan[] {
  return mounts
    .filter(({ Type }) => Type === 'tmpfs')
    .map(({ Target, Source, ReadOnly, TmpfsOptions }) => {
      if (Source !== '') refuse('tmpfs', 'field Source must not be specified');
      const { SizeBytes = 0, Mode = 0 } = TmpfsOptions ?? {};
      const options = [
        ...(SizeBytes > 0 ? [`size=${SizeBytes}`] : []),
        ...(Mode > 0 ? [`mode=${Mode.toString(8)}`] : []),
        ...(ReadOnly ? ['ro'] : []),
      ];
      return { destination: checkDestination(Target, 'tmpfs'), options: options.join(',') };
    });
}

function bindPlan(text: string, driver: string, dataFolder: string | undefined): MountPlan {
  const { source, ...bind } = parseBind(text, dataFolder);
  return 'path' in source
    ? { type: 'bind', ...WHOLE, ...bind, from: { kind: 'bind', path: source.path, missing: 'make' } }
    : { type: 'volume', ...WHOLE, ...bind, ...fromVolume(source.volume, driver) };
}

function requestPlan(
  request: MountRequest,
  driver: string,
  dataFolder: string | undefined,
): MountPlan | undefined {
  const { Type: type, Source: source, Target, ReadOnly, BindOptions, VolumeOptions } = request;
  if (Target === '') refuse(type, 'field Target must not be empty');
  if (type === 'tmpfs') return undefined;
  const destination = checkDestination(Target, type);
  if (type === 'volume') {
    const subpath = VolumeOptions?.Subpath ?? '';
    // A path that leads out of the volume is refused even if it is only read; links inside the volume are followed
    // within it.
    if (subpath.startsWith('/') || leadsOut(subpath)) {
      refuse('volume', 'subpath must be a relative path within the volume');
    }
    const own = VolumeOptions?.DriverConfig;
    const plan = volumePlan(destination, {
      ...(source === '' ? {} : { name: source }),
      driver: own?.Name || driver,
      labels: VolumeOptions?.Labels ?? {},
      options: own?.Options ?? {},
    });
    return {
      ...plan,
      ...(source === '' ? {} : { isNamed: true }),
      mode: 'z',
      writable: !ReadOnly,
      copyUp: VolumeOptions?.NoCopy !== true,
      subpath,
    };
  }
  if (source === '') refuse('bind', 'field Source must not be empty');
  if (!source.startsWith('/')) {
    refuse('bind', `invalid mount path: '${source.slice(0, 80)}' mount path must be absolute`);
  }
  return {
    type,
    destination,
    mode: '',
    writable: !ReadOnly,
    propagation: bindPropagation(
      propagationOf(BindOptions?.Propagation ?? ''),
      cleanPath(source),
      dataFolder,
    ),
    recursive: BindOptions?.NonRecursive !== true,
    ...belowOf(BindOptions),
    copyUp: false,
    subpath: '',
    from: {
      kind: 'bind',
      path: cleanPath(source),
      missing: BindOptions?.CreateMountpoint === true ? 'make' : 'refuse',
    },
  };
}

function leadsOut(path: string): boolean {
  const clean = posix.normalize(path);
  return clean === '..' || clean.startsWith('../');
}

function belowOf(options: MountRequest['BindOptions']): Pick<MountPoint, 'below'> {
  const { ReadOnlyNonRecursive: writable = false, ReadOnlyForceRecursive: readonly = false } = options ?? {};
  if (writable && readonly) {
    const why = 'mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive';
    throw new EngineError('bad-request', why);
  }
  if (writable) return { below: 'writable' };
  return readonly ? { below: 'readonly' } : {};
}

function volumePlan(destination: string, request: VolumeRequest): MountPlan {
  return {
    type: 'volume',
    destination,
    mode: '',
    writable: true,
    propagation: '',
    copyUp: true,
    ...WHOLE,
    from: { kind: 'volume', request },
  };
}

function inheritedPlan({ name, source, ...point }: MountPoint): MountPlan {
  return {
    ...point,
    from:
      name === undefined
        ? { kind: 'bind', path: source, missing: 'make' }
        : { kind: 'volume', request: { name, mustExist: true } },
  };
}

function fromVolume(name: string | undefined, driver: string): Pick<MountPlan, 'isNamed' | 'from'> {
  if (name === undefined) return { from: { kind: 'volume', request: { driver } } };
  return { isNamed: true, from: { kind: 'volume', request: { driver, name } } };
}

function propagationOf(text: string): MountPoint['propagation'] {
  if (text === '' || isPropagation(text)) return text;
  return refuse('bind', `invalid propagation mode: ${text.slice(0, 80)}`);
}

function refuse(type: string, why: string): never {
  throw new EngineError('bad-request', `invalid mount config for type "${type}": ${why}`);
}
