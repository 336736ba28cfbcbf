import { chmod, chown, lstat, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { makeFolder } from '../../lib/files/make-folder.ts';
import { ConfigError } from '../../lib/settings/config-error.ts';

/**
 * Listens on a unix socket for root alone, or also for `group`. It replaces the file of a dead agent. Throws
 * ConfigError when a live one answers there, or the path cannot be used.
 */
export async function listenSocket(server: Server, path: string, group?: string): Promise<void> {
  const groupId = group === undefined ? undefined : await findGroup(group);
  await clearSocketPath(path);
  try {
    makeFolder(dirname(path), 0o755);
  } catch (error) {
    unusable(path)(error as Error);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // bind(2) happens within the call, so the file never has a wider mode than this.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  }).catch(unusable(path));
  if (groupId !== undefined) {
    await chown(path, 0, groupId);
    await chmod(path, 0o660);
  }
}

/** Removes the socket file of a dead agent. Throws ConfigError when a live one answers there. */
export async function clearSocketPath(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    return unusable(path)(error);
  });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ConfigError(
      `${path} exists and is not a socket: remove it, or choose another path with --socket.`,
    );
  }
  if (await answers(path)) {
    throw new ConfigError(
      `another program answers on ${path}: stop it, or choose another path with --socket.`,
    );
  }
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** A group of /etc/group by name, or a number as it is. */
async function findGroup(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const lines = (await readFile('/etc/group', 'utf8')).split('\n').map((line) => line.split(':'));
  const id = lines.find(([name]) => name === group)?.[2];
  if (id === undefined)
    throw new ConfigError(`there is no group "${group}" on this host: see --socket-group.`);
  return Number(id);
}

function unusable(path: string): (error: Error) => never {
  return (error) => {
    throw new ConfigError(`the socket ${path} cannot be used: ${error.message}.`, { cause: error });
  };
}
