import { createHash } from 'node:crypto';

/** The folder with each agent's own folder, which outlives a kill. */
export const RUN_DIRECTORIES = '/run/berth-agent';

/**
 * Returns the folder for an agent's state until reboot, one for each data folder. `dataDirectory` is absolute and
 * without symbolic links.
 */
export function runDirectory(dataDirectory: string): string {
  return `${RUN_DIRECTORIES}/${createHash('sha256').update(dataDirectory).digest('hex').slice(0, 12)}`;
}
