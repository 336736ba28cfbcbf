import { readdir, readFile } from 'node:fs/promises';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import type { CleanupScope } from '../../support/cleanup.ts';
import { startDockerd } from '../../support/dockerd.ts';
import { setUpPodman } from '../../support/podman.ts';
import { type CommandOptions, type CommandResult, runCommand } from '../../support/run-command.ts';

/** What runs containers by commands that docker has. */
export interface ContainerEngine {
  readonly name: string;
  /** Its HTTP API; podman is measured by its commands alone. */
  readonly socket?: string;
  run(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** User and system time of its processes and of what they ran so far, in seconds, as far as it can be told. */
  cpuSeconds(): Promise<number>;
  /** Bytes of memory of its processes that are its alone or its share of (PSS), helpers of containers included. */
  memory(): Promise<number>;
}

export interface BerthEngine extends ContainerEngine {
  readonly agent: AgentProcess;
}

const TICKS_PER_SECOND = 100;

export async function startBerth(scope: CleanupScope): Promise<BerthEngine> {
  const agent = await startAgent(scope);
  return {
    name: 'Berth',
    agent,
    socket: agent.socket,
    run: agent.docker,
    cpuSeconds: () => cpuOf([agent.process().pid]),
    memory: () => memoryOf((command, pid) => pid === agent.process().pid || command.includes(agent.dataDir)),
  };
}

/** Debian's dockerd, with bridge and packet filter in this network namespace. */
export async function startDocker(scope: CleanupScope): Promise<ContainerEngine> {
  const dockerd = await startDockerd(scope, { network: 'here' });
  return {
    name: 'dockerd',
    socket: dockerd.host.slice('unix://'.length),
    run: dockerd.docker,
    cpuSeconds: () => cpuOf(dockerd.pids()),
    memory: () => memoryOf((command) => command.includes(dockerd.directory)),
  };
}

/** podman with the runtime that Berth uses here. */
export async function startPodman(scope: CleanupScope, runtime: 'crun' | 'runc'): Promise<ContainerEngine> {
  const { podman, root } = await setUpPodman(scope, { runtime });
  let seconds = 0;
  return {
    name: `podman (${runtime})`,
    run: async (args, options = {}) => {
      // It has no daemon: its time is that of the commands.
      const { stdout, ...result } = await podman(args, {
        ...options,
        wrap: ['/bin/sh', '-c', '"$@"; code=$?; echo; times; exit $code', 'sh'],
      });
      const lines = stdout.trimEnd().split('\n');
      const times = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s/.exec(lines.pop() ?? '');
      lines.pop();
      const [, userMinutes, user, systemMinutes, system] = (times ?? []).map(Number);
      seconds += ((userMinutes ?? 0) + (systemMinutes ?? 0)) * 60 + (user ?? 0) + (system ?? 0);
      return { ...result, stdout: lines.join('\n').trimEnd() };
    },
    cpuSeconds: async () => seconds,
    memory: () => memoryOf((command) => command.includes(root)),
  };
}

/** Also of children that have ended and were waited for. */
async function cpuOf(pids: readonly number[]): Promise<number> {
  const ticks = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    }),
  );
  return ticks.reduce((sum, some) => sum + some, 0) / TICKS_PER_SECOND;
}

async function memoryOf(counts: (command: string, pid: number) => boolean): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    if (!counts(command, Number(entry)) || command.startsWith('docker')) continue;
    const rollup = await readFile(`/proc/${entry}/smaps_rollup`, 'latin1').catch(() => '');
    bytes += Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

/** The page cache is empty afterwards, and nothing is left to write. */
export async function dropCaches(): Promise<void> {
  await runCommand('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches']);
}
