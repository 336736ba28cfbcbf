import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFile } from '../../lib/linux/file-lock.ts';
import { EngineError } from '../errors.ts';

const PATH = '/run/berth-agent/networks.lock';
/** Milliseconds between attempts, and until the lock is given up. */
const INTERVAL = 20;
const PATIENCE = 30_000;

/** Runs work that no other agent of this host does at the same time. */
export type HostLock = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * The lock under which agents choose names and subnets of bridges until these exist: otherwise two could choose the
 * same. Throws EngineError 'runtime' while another agent holds it.
 */
export const withHostLock: HostLock = async (work) => {
  await mkdir(dirname(PATH), { recursive: true, mode: 0o700 });
  for (const deadline = performance.now() + PATIENCE; ; await sleep(INTERVAL)) {
    const lock = lockFile(PATH, 'alone');
    if (lock !== undefined) {
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
    if (performance.now() > deadline) {
      throw new EngineError(
        'runtime',
        `another berth-agent has held the lock of networks for too long: ${PATH}`,
      );
    }
  }
};
