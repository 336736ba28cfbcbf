import { readCgroupUsage } from '../../../lib/linux/cgroups/cgroup-usage.ts';
import { type CgroupLayout, listMembers } from '../../../lib/linux/cgroups/cgroups.ts';
import { readNetworkCounters } from '../../../lib/linux/network/network-counters.ts';
import { runProcess } from '../../../lib/linux/process/run-process.ts';
import { readSystemCpu } from '../../../lib/linux/system-cpu.ts';
import { EngineError } from '../../errors.ts';
import { networkMode } from '../../networks/plan/place-container.ts';
import { RUNTIME_ENVIRONMENT } from '../../oci-runner/runtime-commands.ts';
import type { ContainerIndex } from '../container-index.ts';
import { containerCgroup } from '../plan/resources.ts';
import type { ContainerStats, ProcessTable, StatsSample } from './container-stats.ts';

const PS_LIMIT = 10_000;
/** Maximum bytes of ps's output, which lists the whole host's processes. */
const PS_OUTPUT = 16 << 20;

/** See ContainerStats. */
export class AgentContainerStats implements ContainerStats {
  readonly #index: ContainerIndex;
  readonly #cgroups: CgroupLayout;

  constructor(index: ContainerIndex, cgroups: CgroupLayout) {
    this.#index = index;
    this.#cgroups = cgroups;
  }

  async sample(ref: string): Promise<StatsSample | undefined> {
    const { info, run } = this.#index.find(ref);
    if (run === undefined) return undefined;
    const { kind } = networkMode(info.hostConfig.NetworkMode);
    const ownsNetwork = kind === 'networks' || kind === 'container';
    const [usage, system, networks] = await Promise.all([
      readCgroupUsage(this.#cgroups, containerCgroup(info)),
      readSystemCpu(),
      ownsNetwork ? readNetworkCounters(run) : undefined,
    ]);
    return {
      ...usage,
      readAt: new Date(),
      systemCpu: system.total,
      onlineCpus: system.online,
      ...(networks === undefined ? {} : { networks }),
    };
  }

  async top(ref: string, psArgs: string, signal: AbortSignal): Promise<ProcessTable> {
    checkPsArgs(psArgs);
    const container = this.#index.find(ref);
    const { id, info, run } = container;
    if (info.state.status === 'restarting') {
      throw new EngineError('conflict', `Container ${id} is restarting, wait until the container is running`);
    }
    if (run === undefined) throw new EngineError('conflict', `container ${id} is not running`);
    const pids = await listMembers(this.#cgroups, containerCgroup(info));
    const table = psTable(await runPs(psArgs, pids, signal), new Set(pids));
    container.publish('top');
    return table;
  }
}

async function runPs(psArgs: string, pids: readonly number[], signal: AbortSignal): Promise<string> {
  const args = psArgs.split(' ').filter(Boolean);
  const run = (more: readonly string[]) =>
    runProcess('ps', [...args, ...more], {
      env: { ...RUNTIME_ENVIRONMENT },
      timeout: PS_LIMIT,
      maxOutput: PS_OUTPUT,
      signal,
    });
  try {
    const chosen = await run([`-q${pids.join(',')}`]);
    if (chosen.exitCode === 0) return chosen.stdout;
    // Some options, such as f, cannot be combined with a selection of processes.
    const all = await run([]);
    if (all.exitCode === 0) return all.stdout;
    const [complaint = ''] = all.stderr.trim().split('\n');
    throw new EngineError('runtime', `ps: ${complaint || `exit status ${all.exitCode}`}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new EngineError('runtime', 'docker top needs ps on this host: install the package procps');
  }
}

/**
 * Refuses column titles that disguise another column as the PID, and malformed arguments. Throws EngineError 'bad-request'.
 */
export function checkPsArgs(psArgs: string): void {
  if (psArgs.includes('\0')) throw new EngineError('bad-request', 'ps_args has a zero byte');
  for (const [, column = '', title = ''] of psArgs.matchAll(/\s(\S*)=\s*(PID\S*)/g)) {
    if (column !== 'pid') {
      throw new EngineError('bad-request', `specifying "${column}=${title}" is not allowed`);
    }
  }
}

/** Returns the rows of ps(1)'s output for the processes `pids` and their threads. Throws EngineError 'runtime'. */
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
    // A thread is listed below its process, without a PID.
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
