import { FolderInUseError, type FolderLock, lockFolder, lockFolderToRead } from '../lib/files/folder-lock.ts';
import { ConfigError } from '../lib/settings/config-error.ts';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process may not write there',
  EPERM: 'it is not writable',
  EROFS: 'the file system is mounted read-only',
  ENOTDIR: 'a file is where a folder should be',
  EISDIR: 'a folder is where a file should be',
  ENOTREG: 'something that is not a file is where a file should be',
  ENOENT: 'no folder can be created there, or a symbolic link is dangling',
  ELOOP: 'its symbolic links go round in a circle',
  ENOSPC: 'the device has no space left',
  EDQUOT: 'the quota of the device is used up',
  ENAMETOOLONG: 'the path is too long',
};

/** Runs the start of work in a folder. Throws ConfigError, with the reason, for errors of the system. */
export async function onFolder<Result>(
  folder: string,
  advice: string,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw refusedFolder(folder, advice, error) ?? error;
  }
}

/** Returns the error for a folder that the system refused; undefined for any other error. */
export function refusedFolder(folder: string, advice: string, cause: unknown): ConfigError | undefined {
  if (!(cause instanceof Error) || !('code' in cause) || !('syscall' in cause)) return undefined;
  const code = String(cause.code);
  const reason = Object.hasOwn(REASONS, code) ? `: ${REASONS[code]}` : '';
  return new ConfigError(`${folder} cannot be used (${code})${reason}${advice}`, { cause });
}

/** Locks a folder for this process, creating it if needed. Throws ConfigError. */
export function takeFolder(folder: string): FolderLock {
  return locked(folder, lockFolder);
}

/** Locks a folder for this process, which only reads it: it may be on a read-only file system. Throws ConfigError. */
export function takeFolderToRead(folder: string): FolderLock {
  return locked(folder, lockFolderToRead);
}

function locked(folder: string, lock: (folder: string) => FolderLock): FolderLock {
  try {
    return lock(folder);
  } catch (cause) {
    if (cause instanceof FolderInUseError) {
      throw new ConfigError(`another berth is working on ${folder}: wait until it has ended, or stop it`, {
        cause,
      });
    }
    throw refusedFolder(folder, '', cause) ?? cause;
  }
}
