import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readRemains } from '../../runtime-agent/cli/reset/read-remains.ts';
import { removeRemains } from '../../runtime-agent/cli/reset/remove-remains.ts';
import { thisOwner } from '../../runtime-agent/cli/reset/run-owner.ts';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { memoryFolder } from '../../runtime-agent/fleet/instance-files.ts';
import { type CleanupScope, defer } from './cleanup.ts';
import { AGENT_CACHE } from './compile-cache.ts';
import { type Docker, dockerAt } from './docker-cli.ts';
import { callEngineAt } from './engine-call.ts';
import { endProxy } from './ingress.ts';
import { LONGEST_WAIT } from './longest-wait.ts';
import { type ManagedProcess, startProcess } from './managed-process.ts';
import { AGENT_PROGRAM } from './programs.ts';
import { runCommand } from './run-command.ts';
import { makeTempDir, removeTree } from './temp-dir.ts';

/** Berth's agent as a process of its own, in a fresh folder. */
export interface AgentProcess extends Docker {
  readonly socket: string;
  readonly dataDir: string;
  /** The running process; another one after each restart. */
  process(): ManagedProcess;
  /** SIGTERM, and checks that the exit code is 0. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** Starts it again on the same data and socket, after stop() if it still runs. */
  restart(): Promise<void>;
}

/**
 * Starts the agent and waits until it says that it is ready. At the end of `scope` its containers, its mount namespace
 * and its folder are gone. Needs root.
 */
export async function startAgent(
  scope: CleanupScope,
  options: {
    readonly args?: readonly string[];
    /** The program; its sources on the Node of this process unless given. */
    readonly program?: readonly string[];
    /** What runs it elsewhere, such as in another network namespace. */
    readonly enter?: readonly string[];
    /** A file system of its own for the data, from whose files the kernel mounts nothing. */
    readonly dataOn?: 'tmpfs';
  } = {},
): Promise<AgentProcess> {
  const directory = await makeTempDir(scope, 'agent');
  const socket = join(directory, 'agent.sock');
  const dataDir = join(directory, 'data');
  if (options.dataOn !== undefined) await mountOn(scope, dataDir, options.dataOn);
  const args = ['serve', '--socket', socket, '--data', dataDir, ...(options.args ?? [])];
  const start = async () => {
    const program = options.program ?? [process.execPath, AGENT_PROGRAM];
    const [command = '', ...rest] = [...(options.enter ?? []), ...program, ...args];
    const started = startProcess(scope, command, rest, { env: AGENT_CACHE });
    await started.waitForLine(/^berth-agent is ready: /m);
    return started;
  };
  defer(scope, () => removeRunDirectory(dataDir));
  let running = await start();
  const docker = await dockerAt(scope, `unix://${socket}`);
  const stop = async () => {
    const exit = await running.end('SIGTERM');
    if (exit.code !== 0)
      throw new Error(`the agent ended with ${exit.code ?? exit.signal}\n${running.output()}`);
  };
  const agent: AgentProcess = {
    ...docker,
    socket,
    dataDir,
    process: () => running,
    stop,
    kill: async () => {
      await running.end('SIGKILL');
    },
    restart: async () => {
      if (running.exit() === undefined) await stop();
      running = await start();
    },
  };
  // Runs before the process is ended: containers outlive an agent, but not a test.
  defer(scope, async () => {
    if (running.exit() !== undefined) running = await start();
    await removeContainers(socket);
  });
  return agent;
}

/** Removes all containers by the API itself: a start of the docker CLI takes as long as many calls. */
export async function removeContainers(socket: string): Promise<void> {
  const call = async (method: string, path: string) => {
    const answer = await callEngineAt(socket, method, path, undefined, AbortSignal.timeout(LONGEST_WAIT));
    // A container with --rm may be gone already.
    if (answer.status >= 300 && answer.status !== 404) throw new Error(`${method} ${path}: ${answer.text}`);
    return answer.text;
  };
  const containers: readonly { Id: string }[] = JSON.parse(await call('GET', '/v1.45/containers/json?all=1'));
  await Promise.all(containers.map(({ Id }) => call('DELETE', `/v1.45/containers/${Id}?force=1`)));
}

async function mountOn(scope: CleanupScope, folder: string, type: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  await runCommand('mount', ['-t', type, '-o', 'mode=700', type, folder]);
  defer(scope, async () => {
    await runCommand('umount', ['--lazy', folder]);
  });
}

/**
 * Removes what an agent that has ended keeps on the host for its next start: the proxy of its ingress, the run folder with its mount namespace,
 * the bridges and the table of the packet filter.
 */
export async function removeRunDirectory(dataDir: string): Promise<void> {
  const folder = runDirectory(dataDir);
  await endProxy(join(folder, 'ingress'));
  const { tables, bridges } = await readRemains(await thisOwner(dataDir));
  const table = tables.find(({ name }) => name === `berth_${basename(folder).slice(0, 8)}`);
  if (table !== undefined) {
    const own = bridges.filter(({ name }) => table.bridges.includes(name)).map(({ name }) => name);
    await removeRemains({ folders: [], tables: [table.name], bridges: own, kept: [] });
  }
  await removeTree(memoryFolder(folder));
  await removeTree(folder);
}

/**
 * The mounts that an agent's process sees in its data folder, and of builds and copies in its run folder, without those of
 * removed containers: these go in the background, after the client has had its answer.
 */
export async function agentMounts(agent: AgentProcess): Promise<readonly string[]> {
  const run = runDirectory(agent.dataDir);
  // What each build has lies on a tmpfs that stays.
  const places = [`${agent.dataDir}/`, `${run}/build/`, `${run}/parts/`];
  const table = await readFile(`/proc/${agent.process().pid}/mountinfo`, 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => places.some((place) => point.startsWith(place)) && !point.includes('/.removed-'));
}
