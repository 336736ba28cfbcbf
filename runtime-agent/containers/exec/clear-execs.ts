import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Libc } from '../../../lib/linux/libc.ts';
import { readProcessStat } from '../../../lib/linux/process/proc.ts';
import { signalProcess } from '../../../lib/linux/process/signal-process.ts';
import type { LiveContainer } from '../live-container.ts';
import { containerCgroup } from '../plan/resources.ts';

const SIGKILL = 9;
const FILE = /^exec-(attached|detached)-[0-9a-f]{64}\.(pid|sock)$/;

/** What the files of an exec are called in its container's bundle, without their endings. */
export function execFileName(id: string, isDetached: boolean): string {
  return `exec-${isDetached ? 'detached' : 'attached'}-${id}`;
}

/**
 * Ends what an agent that was killed has left running in a container that goes on: commands whose streams or terminal
 * led to that agent. Those without stay, as the container does.
 */
export async function clearExecs(libc: Libc, { container, paths }: LiveContainer): Promise<void> {
  for (const name of await readdir(paths.bundle)) {
    const [, kind, ending] = FILE.exec(name) ?? [];
    if (kind === undefined) continue;
    const path = join(paths.bundle, name);
    if (kind === 'attached' && ending === 'pid') {
      await killMember(libc, Number.parseInt(await readFile(path, 'latin1'), 10), containerCgroup(container));
    }
    await rm(path, { force: true });
  }
}

/** The pid may have gone to another process since: it is one of the container's, or left alone. */
async function killMember(libc: Libc, pid: number, cgroup: string): Promise<void> {
  const stat = pid > 1 ? readProcessStat(pid) : undefined;
  if (stat === undefined) return;
  const groups = await readFile(`/proc/${pid}/cgroup`, 'latin1').catch(() => '');
  if (!groups.split('\n').some((line) => line.endsWith(`:${cgroup}`))) return;
  signalProcess(libc, pid, stat.startTime, SIGKILL);
}
