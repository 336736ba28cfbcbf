import { EngineError } from '../../errors.ts';
import type { ProcessTable } from './container-stats.ts';

/** Refuses column titles that pass another column off as the pid, and what is no argument. Throws EngineError 'bad-request'. */
export function checkPsArgs(psArgs: string): void {
  if (psArgs.includes('\0')) throw new EngineError('bad-request', 'ps_args has a zero byte');
  for (const [, column = '', title = ''] of psArgs.matchAll(/\s(\S*)=\s*(PID\S*)/g)) {
    if (column !== 'pid') {
      throw new EngineError('bad-request', `specifying "${column}=${title}" is not allowed`);
    }
  }
}

/** The rows of ps(1)'s output that are processes of `pids`, with their threads. Throws EngineError 'runtime'. */
export function psTable(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = '', ...lines] = output.split('\n');
  const titles = fields(head);
  const column = titles.indexOf('PID');
  if (column < 0) throw new EngineError('runtime', "Couldn't find PID field in ps output");
  const processes: (readonly string[])[] = [];
  let isOurs = false;
  for (const line of lines) {
    const row = fields(line);
    if (row.length === 0) continue;
    const pid = row[column] ?? '';
    // A thread stands below its process, without its number.
    if (pid !== '-') isOurs = pids.has(Number(pid));
    if (isOurs) {
      processes.push([...row.slice(0, titles.length - 1), row.slice(titles.length - 1).join(' ')]);
    }
  }
  return { titles, processes };
}

function fields(line: string): readonly string[] {
  return line.split(/[\t\v\f\r ]+/).filter(Boolean);
}
