import { createHash } from 'node:crypto';

/** Below it each agent has a folder, also one that is killed. */
export const RUN_DIRECTORIES = '/run/berth-agent';

/**
 * Where an agent keeps what must not outlive a reboot, one folder for each data folder. `dataDirectory` is absolute and
 * without symlinks.
 */
export function runDirectory(dataDirectory: string): string {
  return `${RUN_DIRECTORIES}/${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12)}`;
}
