import { EngineError } from '../../errors.ts';
import type { OciMount } from '../../oci-runner/bundle.ts';

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

/** A `--tmpfs PATH:OPTIONS` mount; later options win over earlier ones and over noexec, nosuid, nodev. Throws EngineError 'bad-request'. */
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
