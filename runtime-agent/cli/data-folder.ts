import { chmod, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';
import { lockFile } from '../linux/file-lock.ts';

/**
 * Makes the data folder (mode 0700) and takes it for this process; answers its path without symlinks. Throws
 * ConfigError when it cannot be written or another agent has it.
 */
export async function claimDataFolder(path: string): Promise<string> {
  let folder: string;
  let locked: boolean;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    folder = await realpath(path);
    await chmod(folder, 0o700);
    locked = lockFile(join(folder, 'lock'));
  } catch (error) {
    throw new ConfigError(`the data folder ${path} cannot be used: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  if (!locked) {
    throw new ConfigError(
      `the data folder ${folder} is in use by another berth-agent: stop that one, or choose another folder with --data.`,
    );
  }
  return folder;
}
