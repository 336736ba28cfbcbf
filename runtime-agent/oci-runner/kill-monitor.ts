import { readFile } from 'node:fs/promises';
import type { Libc } from '../../lib/linux/libc.ts';
import { readProcessStat } from '../../lib/linux/process/proc.ts';
import { signalProcess } from '../../lib/linux/process/signal-process.ts';
import type { RunPaths } from './run-paths.ts';

const SIGKILL = 9;

/** Kills the conmon of a container, if there is one. */
export async function killMonitor(libc: Libc, paths: RunPaths): Promise<void> {
  const pid = Number(await readFile(paths.conmonPid, 'latin1').catch(() => '0'));
  const stat = pid > 0 ? readProcessStat(pid) : undefined;
  if (stat === undefined) return;
  // The file may be older than the process that has its number now.
  const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  if (!command.includes('conmon') || !command.includes(paths.id)) return;
  signalProcess(libc, pid, stat.startTime, SIGKILL);
}
