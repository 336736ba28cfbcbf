import { closeSync, openSync, statSync } from 'node:fs';
import { type Config, type ConfigSources, loadConfig } from '../config/config.ts';

/**
 * Reads the configuration of a command that works on the data of this machine. As root, the process becomes the owner of the
 * data folder: the registry, which runs as that user, could not use files of root. Throws ConfigError.
 */
export function loadStoredConfig(flags: ConfigSources['flags']): Config {
  const config = loadConfig({ flags, env: process.env, isRoot: process.getuid?.() === 0 });
  actAsOwner(config.data);
  return config;
}

/**
 * Turns a process of root into one of the owner of a folder. Does nothing for a missing folder, without the capabilities, or where
 * the owner cannot read the program, which is loaded in parts.
 */
export function actAsOwner(folder: string): void {
  const owner = ownerOf(folder);
  if (process.getuid?.() !== 0 || owner === undefined || owner.uid === 0) return;
  try {
    process.seteuid?.(owner.uid);
    const readable = isReadable(import.meta.filename);
    process.seteuid?.(0);
    if (!readable) return;
    process.setgroups?.([owner.gid]);
    process.setgid?.(owner.gid);
    process.setuid?.(owner.uid);
  } catch (error) {
    // In a container without CAP_SETUID, root stays root.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

function isReadable(file: string): boolean {
  try {
    // Unlike access(2), it checks as the effective user.
    closeSync(openSync(file, 'r'));
    return true;
  } catch {
    return false;
  }
}

function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false });
  } catch {
    // The command opens the folder, and tells why it cannot.
    return undefined;
  }
}
