import type { ContainerInfo, MountPoint } from '../../containers/container-info.ts';
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
