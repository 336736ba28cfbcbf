import { mkdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isProcessAlive, readProcessStat } from '../../../lib/linux/process/proc.ts';

const FILE = 'owner.json';

/** The agent of a folder below /run/berth-agent. */
export interface RunOwner {
  readonly pid: number;
  readonly startTime: number;
  /** The PID namespace as /proc names it, such as `pid:[4026531836]`: the number means nothing in another one. */
  readonly pidNamespace: string;
  readonly networkNamespace: string;
  readonly dataDirectory: string;
}

/** Returns this process as an owner. */
export async function thisOwner(dataDirectory: string): Promise<RunOwner> {
  const [pidNamespace, networkNamespace] = await Promise.all([
    readlink('/proc/self/ns/pid'),
    readlink('/proc/self/ns/net'),
  ]);
  const startTime = readProcessStat(process.pid)?.startTime ?? 0;
  return { pid: process.pid, startTime, pidNamespace, networkNamespace, dataDirectory };
}

/** Returns undefined when the folder does not record its owner, as with an older agent. */
export async function readOwner(folder: string): Promise<RunOwner | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, FILE), 'utf8')) as RunOwner;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reports whether the owner runs, as far as this process can see. */
export function ownerRuns({ pid, startTime, pidNamespace }: RunOwner, here: RunOwner): boolean {
  return pidNamespace !== here.pidNamespace || isProcessAlive(pid, startTime);
}

/**
 * Registers this process in its folder, and returns whether it was not registered before: the process re-executes
 * itself once and comes here again. Another agent on the same data keeps the folder; this one will fail at the data's
 * lock.
 */
export async function noteOwner(folder: string, owner: RunOwner): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const before = await readOwner(folder);
  if (before?.pid === owner.pid && before.startTime === owner.startTime) return false;
  if (before !== undefined && ownerRuns(before, owner)) return false;
  const path = join(folder, FILE);
  await writeFile(`${path}.new`, JSON.stringify(owner), { mode: 0o600 });
  await rename(`${path}.new`, path);
  return true;
}
