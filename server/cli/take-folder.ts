import { FolderInUseError, type FolderLock, lockFolder } from '../../lib/files/folder-lock.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';
import { refusedFolder } from '../on-folder.ts';

/** Takes a folder for this process alone, making it when it is not there. Throws ConfigError. */
export function takeFolder(folder: string): FolderLock {
  try {
    return lockFolder(folder);
  } catch (cause) {
    if (cause instanceof FolderInUseError) {
      throw new ConfigError(`another berth is working on ${folder}: wait until it has ended, or stop it`, {
        cause,
      });
    }
    throw refusedFolder(folder, '', cause) ?? cause;
  }
}
