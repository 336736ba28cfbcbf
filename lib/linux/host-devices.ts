import { closeSync, type Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A device node of the host. */
export interface HostDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Folders whose contents belong to their own namespaces, and nodes that the runtime makes itself. */
const LEFT_OUT = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console', 'ptmx']);

/** Opens files of the host by path. The caller closes the descriptor; undefined when nothing is there. */
export interface HostFiles {
  open(path: string): Promise<number | undefined>;
}

/** Lists every character and block device below a folder of the host. Devices that disappear meanwhile are skipped. */
export async function hostDevices(files: HostFiles, folder: string): Promise<readonly HostDevice[]> {
  const fd = await files.open(folder);
  if (fd === undefined) return [];
  try {
    const opened = `/proc/self/fd/${fd}`;
    const devices = await devicesIn(opened);
    return devices.map((device) => ({ ...device, path: join(folder, device.path.slice(opened.length)) }));
  } finally {
    closeSync(fd);
  }
}

async function devicesIn(folder: string): Promise<readonly HostDevice[]> {
  const devices: HostDevice[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) devices.push(...(await devicesIn(path)));
    else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      const found = await lstat(path).catch(() => undefined);
      if (found !== undefined) devices.push(toDevice(path, found));
    }
  }
  return devices;
}

/** Returns the device at a path of the host, links resolved, or the kind of any other file there. */
export async function readDevice(
  files: HostFiles,
  path: string,
): Promise<HostDevice | 'folder' | 'other' | 'nothing'> {
  const fd = await files.open(path);
  if (fd === undefined) return 'nothing';
  try {
    const found = await stat(`/proc/self/fd/${fd}`);
    if (found.isDirectory()) return 'folder';
    return found.isCharacterDevice() || found.isBlockDevice() ? toDevice(path, found) : 'other';
  } finally {
    closeSync(fd);
  }
}

function toDevice(path: string, found: Stats): HostDevice {
  return {
    path,
    type: found.isBlockDevice() ? 'b' : 'c',
    major: majorOf(found.rdev),
    minor: minorOf(found.rdev),
    fileMode: found.mode & 0o777,
    uid: found.uid,
    gid: found.gid,
  };
}

/** Splits a device number as glibc's gnu_dev_major and gnu_dev_minor do. */
function majorOf(rdev: number): number {
  return Number((BigInt(rdev) >> 8n) & 0xfffn) | Number((BigInt(rdev) >> 32n) & 0xfffff000n);
}

function minorOf(rdev: number): number {
  return Number(BigInt(rdev) & 0xffn) | Number((BigInt(rdev) >> 12n) & 0xffffff00n);
}
