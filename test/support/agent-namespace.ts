import { existsSync, readFileSync } from 'node:fs';

const ENTERED = 'BERTH_TEST_NAMESPACE';
const UNIFIED = '/sys/fs/cgroup/unified';

/**
 * Puts the process that runs a test file into a mount namespace in which crun works, as the agent does for itself: this
 * program is replaced by the same one there. Call it first in the file. Does nothing where that is not needed, or not root.
 */
export function enterAgentNamespace(): void {
  if (process.getuid?.() !== 0 || process.env[ENTERED] !== undefined) return;
  if (!existsSync(`${UNIFIED}/cgroup.controllers`)) return;
  if (readFileSync(`${UNIFIED}/cgroup.controllers`, 'latin1').trim() === '') return;
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const script = `umount ${UNIFIED} && exec "$@"`;
  process.execve?.(
    '/usr/bin/unshare',
    ['unshare', '--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', script, 'sh', ...again],
    { ...process.env, [ENTERED]: '1' },
  );
}
