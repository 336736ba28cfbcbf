import { type FileHandle, open, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { openPrivateFile } from '../lib/files/private-file.ts';
import { allocateFile } from '../lib/linux/allocate-file.ts';
import { StorageFullError } from './errors.ts';

const NAME = 'reserve';
/** Maximum bytes of the reserve; on a small file system its SHARE. */
const LARGEST = 32 * 1024 * 1024;
const SHARE = 1 / 8;
/** The fraction of the free space that is used when the whole reserve does not fit, and the minimum useful reserve. */
const PART = 3 / 4;
const LEAST = 256 * 1024;
/** Milliseconds for which sufficient free space is cached. */
const REMEMBERED = 1000;

/**
 * A file in the data folder that is deleted when the device is full, so that the database can continue: deletes, logins
 * and garbage collection need some space. Until the reserve is restored pushes are refused, which would use up that
 * space.
 */
export class DiskReserve {
  readonly #folder: string;
  readonly #file: string;
  /** Time when there was last enough space. */
  #spareAt = Number.NEGATIVE_INFINITY;

  /** `folder` is the data folder, which need not exist yet. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, NAME);
  }

  /** Frees the reserve; returns true when there was one. */
  async release(): Promise<boolean> {
    const size = await this.#size();
    if (size > 0) await empty(this.#file);
    this.#spareAt = Number.NEGATIVE_INFINITY;
    return size > 0;
  }

  /** Frees the reserve if the device has less free space than that, for a start that needs some. */
  async releaseIfLow(): Promise<void> {
    const space = await spaceOf(this.#folder);
    if (space !== undefined && space.free < sizeFor(space)) await this.release();
  }

  /**
   * Restores the reserve, or a large part of the free space if there is less. Returns whether it is complete.
   * Concurrent processes leave one file.
   */
  async restore(): Promise<boolean> {
    this.#spareAt = Number.NEGATIVE_INFINITY;
    const space = await spaceOf(this.#folder);
    if (space === undefined) return false;
    const taken = await this.#size();
    const wanted = sizeFor(space);
    if (taken >= wanted) return true;
    const more = hasRoomFor(space) ? wanted - taken : Math.floor(space.free * PART);
    if (more < LEAST) return false;
    const size = Math.min(wanted, taken + more);
    try {
      await fill(this.#file, size);
      return size === wanted;
    } catch {
      return false;
    }
  }

  /** Throws StorageFullError while the reserve is used up: the remaining space is for the database. */
  async refuseIfSpent(): Promise<void> {
    if (!(await this.#hasSpare())) {
      throw new StorageFullError('only the reserve of the database is left on the device: free some space');
    }
  }

  /** Throws StorageFullError when this many bytes do not fit on the device. */
  async refuseIfTooLarge(bytes: number): Promise<void> {
    const space = await spaceOf(this.#folder);
    if (space === undefined || bytes <= space.free) return;
    throw new StorageFullError(`the device has ${space.free} bytes left, but ${bytes} are needed`);
  }

  /** Reports whether the reserve exists, or as much free space. */
  async #hasSpare(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#spareAt < REMEMBERED) return true;
    const space = await spaceOf(this.#folder);
    const spare = space === undefined || hasRoomFor(space) || (await this.#size()) >= sizeFor(space);
    if (spare) this.#spareAt = now;
    return spare;
  }

  /** Returns the bytes of the reserve. */
  async #size(): Promise<number> {
    return (await stat(this.#file).catch(() => undefined))?.size ?? 0;
  }
}

interface Space {
  /** Size in bytes. */
  readonly total: number;
  readonly free: number;
}

/** Returns undefined when there is no such folder. */
async function spaceOf(folder: string): Promise<Space | undefined> {
  try {
    const { bsize, blocks, bavail, bfree } = await statfs(folder);
    return { total: bsize * blocks, free: bsize * (process.getuid?.() === 0 ? bfree : bavail) };
  } catch {
    return undefined;
  }
}

function hasRoomFor(space: Space): boolean {
  return space.free >= 2 * sizeFor(space);
}

function sizeFor({ total }: Space): number {
  return Math.min(LARGEST, Math.floor(total * SHARE));
}

async function empty(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate();
    // ext4 makes freed blocks available when its journal has been written.
    await file.sync();
  } finally {
    await file.close();
  }
}

async function fill(path: string, size: number): Promise<void> {
  // Not emptied first: other programs would take the freed space.
  const file = await openPrivateFile(path, 'a');
  try {
    if (!(await allocateFile(file.fd, size))) await writeZeros(file, size - (await file.stat()).size);
  } finally {
    await file.close();
  }
}

async function writeZeros(file: FileHandle, size: number): Promise<void> {
  const piece = Buffer.alloc(Math.min(size, 1024 * 1024));
  for (let written = 0; written < size; written += piece.length) {
    await file.writeFile(piece.subarray(0, Math.min(piece.length, size - written)));
  }
}
