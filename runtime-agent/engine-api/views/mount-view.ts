import type { ContainerInfo, MountPoint, MountRequest } from '../../containers/container-info.ts';
import { planTmpfs } from '../../containers/plan/mount-points.ts';

/** `Mounts` of inspect and of the list (Engine API, MountPoint): in dockerd's order, by destination. */
export function mountPointsView(container: ContainerInfo): readonly object[] {
  const tmpfs = planTmpfs(container.hostConfig.Mounts).map(({ destination, options }) => ({
    Type: 'tmpfs',
    Source: '',
    Destination: destination,
    Mode: '',
    RW: !options.split(',').includes('ro'),
    Propagation: '',
  }));
  return [...container.mounts.map(mountPointView), ...tmpfs].sort((a, b) =>
    a.Destination < b.Destination ? -1 : 1,
  );
}

function mountPointView(point: MountPoint) {
  return {
    Type: point.type,
    ...(point.name === undefined ? {} : { Name: point.name }),
    Source: point.source,
    Destination: point.destination,
    ...(point.name === undefined ? {} : { Driver: 'local' }),
    Mode: point.mode,
    RW: point.writable,
    Propagation: point.propagation,
  };
}

/** One of HostConfig.Mounts as dockerd shows it: what is empty is left out. */
export function mountRequestView(request: MountRequest): object {
  return Object.fromEntries(
    Object.entries(request)
      .filter(([, value]) => value !== '' && value !== false)
      .map(([name, value]) => [name, name.endsWith('Options') ? withoutEmpty(value as object) : value]),
  );
}

function withoutEmpty(options: object): object {
  return Object.fromEntries(
    Object.entries(options).filter(
      ([, value]) =>
        value !== '' &&
        value !== false &&
        value !== 0 &&
        !(typeof value === 'object' && Object.keys(value).length === 0),
    ),
  );
}
