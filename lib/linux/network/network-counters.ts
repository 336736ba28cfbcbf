import { readFile } from 'node:fs/promises';
import { isProcessAlive, type ProcessIdentity } from '../process/proc.ts';

/** Traffic of an interface since it was created. */
export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** Reads the interfaces in the network namespace of a process, without loopback; none when the process has ended. */
export async function readNetworkCounters({
  pid,
  startTime,
}: ProcessIdentity): Promise<Readonly<Record<string, InterfaceCounters>>> {
  try {
    const table = await readFile(`/proc/${pid}/net/dev`, 'latin1');
    // Checked afterwards: the pid may belong to another process by now.
    return isProcessAlive(pid, startTime) ? parseNetworkCounters(table) : {};
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '')) return {};
    throw error;
  }
}

/** Parses /proc/net/dev (proc_pid_net(5)): eight counters of received data, then eight of sent data. */
export function parseNetworkCounters(table: string): Readonly<Record<string, InterfaceCounters>> {
  const found: Record<string, InterfaceCounters> = {};
  for (const [, name = '', text = ''] of table.matchAll(/^ *([^\s:|]+): *(\d[\d ]*)$/gm)) {
    if (name === 'lo') continue;
    const counts = text.trim().split(/ +/).map(Number);
    const at = (index: number) => counts[index] ?? 0;
    found[name] = {
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    };
  }
  return found;
}
