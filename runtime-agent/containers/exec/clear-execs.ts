import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Libc } from '../../../lib/linux/libc.ts';
import { readProcessStat } from '../../../lib/linux/process/proc.ts';
import { signalProcess } from '../../../lib/linux/process/signal-process.ts';
import type { Container } from '../container.ts';
import { containerCgroup } from '../plan/resources.ts';

const SIGKILL = 9;
const FILE = /^exec-(attached|detached)-[0-9a-f]{64}\.(pid|sock)$/;

/** Returns the name of an exec's files in its container's bundle, without extension. */
export function execFileName(id: string, isDetached: boolean): string {
  return `exec-${isDetached ? 'detached' : 'attached'}-${id}`;
}

/**
 * Kills execs in a running container whose streams or terminal led to a killed agent. Detached ones continue, as the
 * container does.
 */
export async function clearExecs(libc: Libc, { info, paths }: Container): Promise<void> {
  for (const name of await readdir(paths.bundle)) {
    const [, kind, ending] = FILE.exec(name) ?? [];
    if (kind === undefined) continue;
    const path = join(paths.bundle, name);
    if (kind === 'attached' && ending === 'pid') {
      await killMember(libc, Number.parseInt(await readFile(path, 'latin1'), 10), containerCgroup(info));
    }
    await rm(path, { force: true });
  }
}

/** Kills a process only if it belongs to the container: its PID may have been reused. */
async function killMember(libc: Libc, pid: number, cgroup: string): Promise<void> {
  const stat = pid > 1 ? readProcessStat(pid) : undefined;
  if (stat === undefined) return;
  const groups = await readFile(`/proc/${pid}/cgroup`, 'latin1').catch(() => '');
  if (!groups.split('\n').some((line) => line.endsWith(`:${cgroup}`))) return;
  signalProcess(libc, pid, stat.startTime, SIGKILL);
}
