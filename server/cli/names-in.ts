import { readdir } from 'node:fs/promises';
import { ConfigError } from '../../lib/settings/config-error.ts';

/** The names in a folder; none when there is no such folder. Throws ConfigError. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    throw new ConfigError(`${folder} cannot be read (${code})`, { cause });
  }
}
