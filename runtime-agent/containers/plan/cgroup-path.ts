import type { Container } from '../container.ts';

const PARENT = '/berth';

/** The cgroup of a container, under the root of each hierarchy. `parent` is HostConfig.CgroupParent. */
export function cgroupPath(id: string, parent = ''): string {
  const folder = parent === '' ? PARENT : `/${parent.split('/').filter(Boolean).join('/')}`;
  return `${folder === '/' ? '' : folder}/${id}`;
}

export function containerCgroup({ id, hostConfig }: Pick<Container, 'id' | 'hostConfig'>): string {
  return cgroupPath(id, hostConfig.CgroupParent);
}
