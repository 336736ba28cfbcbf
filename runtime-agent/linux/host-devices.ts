import type { Stats } from 'node:fs';
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

/** Folders whose contents belong to namespaces of their own, and nodes that the runtime makes itself. */
const LEFT_OUT = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console', 'ptmx']);

/** Every character and block device below `folder`. Devices that go while it looks are left out. */
export async function hostDevices(folder: string): Promise<readonly HostDevice[]> {
  const devices: HostDevice[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (LEFT_OUT.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) devices.push(...(await hostDevices(path)));
    else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      const found = await lstat(path).catch(() => undefined);
      if (found !== undefined) devices.push(toDevice(path, found));
    }
  }
  return devices;
}

/** The device at a path, or behind links there; undefined where there is something else, or nothing. */
export async function readDevice(path: string): Promise<HostDevice | 'folder' | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isDirectory()) return 'folder';
  return found.isCharacterDevice() || found.isBlockDevice() ? toDevice(path, found) : undefined;
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

/** As glibc's gnu_dev_major and gnu_dev_minor take a device number apart. */
function majorOf(rdev: number): number {
  return Number((BigInt(rdev) >> 8n) & 0xfffn) | Number((BigInt(rdev) >> 32n) & 0xfffff000n);
}

function minorOf(rdev: number): number {
  return Number(BigInt(rdev) & 0xffn) | Number((BigInt(rdev) >> 12n) & 0xffffff00n);
}
