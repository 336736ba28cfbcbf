import { EngineError } from '../../errors.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';
import type { HostConfig } from '../host-config.ts';
import { planTmpfs } from './mount-points.ts';

/** Host files mounted in the container's /etc and, with `--init`, the init program. Absolute paths. */
export interface ContainerFiles {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
  readonly init?: string;
}

/** The source of the container's /dev/shm: its own, a folder of the host, or none. */
export type ShmSource =
  | { readonly kind: 'own' }
  | { readonly kind: 'none' }
  | { readonly kind: 'bind'; readonly path: string };

/** Path of the init program in the container, as in Docker. */
export const INIT_PATH = '/sbin/docker-init';

/**
 * Returns the mounts of a container in the order in which the runtime makes them. `points` are those of its mount points.
 */
export function containerMounts(
  hostConfig: HostConfig,
  files: ContainerFiles,
  points: readonly OciMount[],
  shmSource: ShmSource = { kind: 'own' },
): readonly OciMount[] {
  const access = hostConfig.Privileged ? 'rw' : 'ro';
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [access, 'nosuid', 'noexec', 'nodev'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    ...shmMount(hostConfig, shmSource),
    bind('/etc/resolv.conf', files.resolvConf),
    bind('/etc/hostname', files.hostname),
    bind('/etc/hosts', files.hosts),
  ];
  if (files.init !== undefined) {
    mounts.push({ ...bind(INIT_PATH, files.init), options: ['bind', 'ro', 'rprivate'] });
  }
  const wanted = [
    ...points,
    ...Object.entries(hostConfig.Tmpfs).map(([path, options]) => tmpfsMount(path, options)),
    ...planTmpfs(hostConfig.Mounts).map(({ destination, options }) => tmpfsMount(destination, options)),
  ];
  wanted.sort((a, b) => depth(a.destination) - depth(b.destination));
  const replaced = new Set(wanted.map((mount) => mount.destination));
  return [...mounts.filter((mount) => !replaced.has(mount.destination)), ...wanted];
}

/** Returns the options of a container's own /dev/shm. */
export function shmOptions(hostConfig: HostConfig): readonly string[] {
  return ['mode=1777', `size=${hostConfig.ShmSize > 0 ? hostConfig.ShmSize : 64 << 20}`];
}

function shmMount(hostConfig: HostConfig, source: ShmSource): readonly OciMount[] {
  const destination = '/dev/shm';
  if (source.kind === 'none') return [];
  if (source.kind === 'bind') {
    return [
      { ...bind(destination, source.path), options: ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev'] },
    ];
  }
  const options = ['nosuid', 'noexec', 'nodev', ...shmOptions(hostConfig)];
  return [{ destination, type: 'tmpfs', source: 'shm', options }];
}

function bind(destination: string, source: string): OciMount {
  return { destination, type: 'bind', source, options: ['bind', 'rprivate'] };
}

function depth(path: string): number {
  return path.split('/').length;
}

const FLAGS: Readonly<Record<string, string>> = {
  ro: 'write',
  rw: 'write',
  exec: 'exec',
  noexec: 'exec',
  suid: 'suid',
  nosuid: 'suid',
  dev: 'dev',
  nodev: 'dev',
  sync: 'sync',
  async: 'sync',
  atime: 'atime',
  noatime: 'atime',
  relatime: 'atime',
  norelatime: 'atime',
  strictatime: 'atime',
  nostrictatime: 'atime',
  diratime: 'diratime',
  nodiratime: 'diratime',
  dirsync: 'dirsync',
  defaults: 'defaults',
  rprivate: 'propagation',
  private: 'propagation',
};
const KEYS = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol']);

/**
 * Returns a `--tmpfs PATH:OPTIONS` mount. Later options override earlier ones and noexec, nosuid, nodev. Throws EngineError
 * 'bad-request'.
 */
export function tmpfsMount(destination: string, options: string): OciMount {
  const chosen = new Map<string, string>();
  const wanted = ['noexec', 'nosuid', 'nodev', ...options.split(',').filter((option) => option !== '')];
  for (const option of wanted) {
    const sign = option.indexOf('=');
    const key = sign < 0 ? option : option.slice(0, sign);
    const group = sign < 0 ? FLAGS[key] : KEYS.has(key) ? key : undefined;
    if (group === undefined) {
      throw new EngineError('bad-request', `invalid tmpfs option "${option.slice(0, 80)}"`);
    }
    if (group === 'defaults') continue;
    chosen.delete(group);
    chosen.set(group, option);
  }
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...chosen.values()] };
}
