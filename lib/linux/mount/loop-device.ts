import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { checkResult, SystemCallError } from '../mount-library.ts';

/** linux/loop.h */
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;
const CONFIG_SIZE = 304;
const FLAGS_OFFSET = 60;
const READ_ONLY = 1;
const AUTO_CLEAR = 4;
const DIRECT_IO = 16;

/** Attempts to get a device: another process may take the free device first. */
const ATTEMPTS = 64;

/** A file as a block device. It exists while something, such as a mount, has it open. */
export interface LoopDevice {
  /** `/dev/loop7` */
  readonly path: string;
  /** Closes the device, which frees it unless it is mounted. */
  close(): void;
}

/**
 * Makes a read-only block device of a file (loop(4)), which the kernel removes after its last user. Needs root and
 * Linux 5.8. Throws SystemCallError, or an Error with `code` when there are no loop devices.
 */
export function openLoopDevice(file: string): LoopDevice {
  const { ioctl } = library();
  const control = openSync('/dev/loop-control', 'r+');
  const backing = openSync(file, 'r');
  try {
    const config = new Uint8Array(CONFIG_SIZE);
    const view = new DataView(config.buffer);
    view.setUint32(0, backing, true);
    view.setUint32(FLAGS_OFFSET, READ_ONLY | AUTO_CLEAR | DIRECT_IO, true);
    for (let attempt = 1; ; attempt += 1) {
      const number = checkResult('no loop device is free', ioctl(control, LOOP_CTL_GET_FREE, null));
      const path = `/dev/loop${number}`;
      const device = openSync(path, 'r');
      try {
        checkResult(`${path} cannot be made of ${file}`, ioctl(device, LOOP_CONFIGURE, config));
        return { path, close: () => closeSync(device) };
      } catch (error) {
        closeSync(device);
        if (attempt === ATTEMPTS || !isTaken(error)) throw error;
      }
    }
  } finally {
    closeSync(backing);
    closeSync(control);
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof SystemCallError && error.code === 'EBUSY';
}

let loaded:
  | { readonly ioctl: (fd: number, request: number, argument: Uint8Array | null) => number }
  | undefined;

function library() {
  loaded ??= { ioctl: koffi.load(null).func('int ioctl(int fd, unsigned long request, void *argument)') };
  return loaded;
}
