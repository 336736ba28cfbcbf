import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import { loadInRoot } from '../../../lib/linux/files/in-root.ts';
import { evaluateLinks } from '../../snapshots/diff/evaluate-links.ts';
import type { HostConfig } from '../container.ts';
import { cleanPath } from '../plan/bind-text.ts';
import { planTmpfs } from '../plan/mount-points.ts';
import { refuseOverProc } from '../plan/proc-mounts.ts';

/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

/** A mount as far as it matters where it goes. */
interface PlacedMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
}

/** Refuses mounts over /proc by their destinations as they are written. Throws EngineError 'bad-request'. */
export function checkProcMounts(mounts: readonly PlacedMount[]): void {
  for (const mount of mounts) check(mount, mount.destination);
}

/** The same where links of the root file system lead there. */
export function checkProcMountsIn(rootfs: string, mounts: readonly PlacedMount[]): void {
  if (mounts.length === 0) return;
  const inRoot = loadInRoot();
  const root = openSync(rootfs, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    for (const mount of mounts) {
      const path = Buffer.from(mount.destination).toString('latin1');
      const resolved = evaluateLinks(inRoot, root, path);
      if (resolved !== undefined) check(mount, Buffer.from(resolved, 'latin1').toString('utf8'));
    }
  } finally {
    closeSync(root);
  }
}

/** The tmpfs mounts of a container. */
export function tmpfsPlaces({ Tmpfs, Mounts }: HostConfig): readonly PlacedMount[] {
  const paths = [
    ...Object.keys(Tmpfs).map(cleanPath),
    ...planTmpfs(Mounts).map(({ destination }) => destination),
  ];
  return paths.map((destination) => ({ destination, type: 'tmpfs', source: 'tmpfs' }));
}

function check({ source, type }: PlacedMount, destination: string): void {
  refuseOverProc(
    destination,
    source,
    () => type === 'bind' && source.startsWith('/') && statfsSync(source).type === PROC_SUPER_MAGIC,
  );
}
