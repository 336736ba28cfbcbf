import { randomUUID } from 'node:crypto';
import { access, open, readFile, rename } from 'node:fs/promises';
import { arch, availableParallelism, hostname, machine, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { detectCgroups } from '../../lib/linux/cgroups/cgroups.ts';
import type { HostFacts } from '../engine-api/host-facts.ts';

/** Facts from this host's kernel and files. */
export type SystemFacts = Pick<
  HostFacts,
  | 'architecture'
  | 'cgroupVersion'
  | 'missingControllers'
  | 'cpus'
  | 'hostname'
  | 'kernelVersion'
  | 'machine'
  | 'memory'
  | 'operatingSystem'
>;

export async function readSystemFacts(): Promise<SystemFacts> {
  const unified = await access('/sys/fs/cgroup/cgroup.controllers').then(
    () => true,
    () => false,
  );
  const { missing } = detectCgroups();
  return {
    hostname: hostname(),
    operatingSystem: await operatingSystem(),
    kernelVersion: release(),
    machine: machine(),
    architecture: arch() === 'x64' ? 'amd64' : arch(),
    cpus: availableParallelism(),
    memory: totalmem(),
    cgroupVersion: unified ? '2' : '1',
    ...(missing === undefined ? {} : { missingControllers: missing }),
  };
}

/** Returns PRETTY_NAME of os-release(5). */
async function operatingSystem(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return /^PRETTY_NAME=(?:"(.*)"|(.*))$/m.exec(text)?.slice(1).find(Boolean) ?? 'Linux';
}

/** Returns the unique ID of this host, created at the first call and stored in the data folder. */
export async function readHostId(dataDirectory: string): Promise<string> {
  const path = join(dataDirectory, 'host-id');
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const id = randomUUID();
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${id}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  return id;
}
