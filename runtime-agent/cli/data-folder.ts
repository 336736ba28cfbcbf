import { chmod, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { type FileLock, lockFile } from '../../lib/linux/file-lock.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

/** Creates the data folder (mode 0700) and returns its path without symbolic links. Throws ConfigError. */
export async function prepareDataFolder(path: string): Promise<string> {
  try {
    makeFolder(path);
    const folder = await realpath(path);
    await chmod(folder, 0o700);
    return folder;
  } catch (error) {
    throw unusable(path, error as Error);
  }
}

/** Claims the data folder for this process. Throws ConfigError if another agent holds it, or it is not writable. */
export function claimDataFolder(folder: string): void {
  let lock: FileLock | undefined;
  try {
    lock = lockFile(join(folder, 'lock'), 'alone');
  } catch (error) {
    throw unusable(folder, error as Error);
  }
  if (lock === undefined) {
    throw new ConfigError(
      `the data folder ${folder} is in use by another berth-agent: stop that one, or choose another folder with --data.`,
    );
  }
}

function unusable(path: string, error: Error): ConfigError {
  return new ConfigError(`the data folder ${path} cannot be used: ${error.message}.`, { cause: error });
}
