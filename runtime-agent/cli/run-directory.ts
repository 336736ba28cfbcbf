import { createHash } from 'node:crypto';

/**
 * Where an agent keeps what must not outlive a reboot, one folder for each data folder. `dataDirectory` is absolute and
 * without symlinks.
 */
export function runDirectory(dataDirectory: string): string {
  return `/run/berth-agent/${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12)}`;
}
