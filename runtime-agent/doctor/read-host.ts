import { access, readdir, readFile, statfs } from 'node:fs/promises';
import { request } from 'node:http';
import { arch, release } from 'node:os';
import { dirname, join } from 'node:path';
import { detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import type { AgentConfig } from '../config.ts';
import { hasApparmor, PARSER } from '../oci-runner/apparmor.ts';
import { readSeccompSource } from '../oci-runner/seccomp.ts';
import { findPrograms } from './host-programs.ts';
import type { HostReading } from './host-reading.ts';
import { PROGRAMS } from './programs.ts';

/** statfs(2) and linux/magic.h */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
  [0x6969, 'nfs'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x65735546, 'fuse'],
  [0x01021997, '9p'],
]);

/** Reads the host without changing anything. The trials, which do change things, are separate. */
export async function readHost(
  config: Pick<AgentConfig, 'dataDirectory' | 'socket'>,
  searchPath: string,
): Promise<Omit<HostReading, 'trials'>> {
  const [programs, apparmorIsOn, seccompFailure, namespaces, fileSystems, cgroups, data, agent] =
    await Promise.all([
      findPrograms(['crun', 'runc', PARSER, ...PROGRAMS.map(({ name }) => name)], searchPath),
      hasApparmor(process.env),
      readSeccompSource().then(
        () => undefined,
        (error: Error) => error.message,
      ),
      listFolder('/proc/self/ns'),
      readFileSystems(),
      readCgroups(),
      readDataFolder(config.dataDirectory),
      askAgent(config.socket),
    ]);
  return {
    platform: process.platform,
    root: process.getuid?.() === 0,
    kernel: release(),
    architecture: arch(),
    programs,
    ...(seccompFailure !== undefined && { seccompFailure }),
    apparmor: apparmorIsOn ? (programs.has(PARSER) ? 'on' : 'no-parser') : 'off',
    namespaces: new Set(namespaces),
    fileSystems,
    cgroups,
    data,
    agent,
    socket: config.socket,
  };
}

async function readFileSystems(): Promise<ReadonlySet<string>> {
  const known = (await readText('/proc/filesystems')).split('\n').map((line) => line.split('\t')[1] ?? '');
  const loadable = (await readText(`/lib/modules/${release()}/modules.dep`)).split('\n');
  const modules = loadable.map((line) => /\/fs\/(?:[^:/]+\/)*([a-z0-9_]+)\.ko/.exec(line)?.[1] ?? '');
  return new Set([...known, ...modules].filter((name) => name !== ''));
}

async function readCgroups(): Promise<HostReading['cgroups']> {
  const { root, version, swapLimit } = detectCgroups();
  if (version === 2) {
    const controllers = (await readText(join(root, 'cgroup.controllers'))).trim().split(' ');
    return { version, controllers: new Set(controllers), swapLimit };
  }
  const hierarchies = await listFolder(root);
  return { version: hierarchies.length === 0 ? 'none' : 1, controllers: new Set(hierarchies), swapLimit };
}

async function readDataFolder(path: string): Promise<HostReading['data']> {
  let folder = path;
  while (folder !== '/' && !(await exists(folder))) folder = dirname(folder);
  const { type, bavail, bsize, ffree } = await statfs(folder);
  const fileSystem = FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`;
  return { path, folder, fileSystem, free: bavail * bsize, inodesFree: ffree };
}

/** Sends the socket the first request of the docker command. */
function askAgent(socketPath: string): Promise<HostReading['agent']> {
  return new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', method: 'HEAD', timeout: 5_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? 'answers' : 'absent');
    });
    ping.on('timeout', () => ping.destroy(new Error('timeout')));
    ping.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EACCES' ? 'refused' : 'absent'),
    );
    ping.end();
  });
}

async function listFolder(path: string): Promise<readonly string[]> {
  return await readdir(path).catch(absent([]));
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(absent(''));
}

function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
