import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import type { AgentProcess } from './agent-process.ts';
import { runCommand } from './run-command.ts';
import { waitUntil } from './wait-until.ts';

/** All that an agent and its containers have on the host, by kind, so that two moments can be compared. */
export interface HostRemains {
  readonly files: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly processes: readonly string[];
  readonly links: readonly string[];
  readonly packetFilter: string;
  /** What the agent has open, by kind with numbers taken out; timers and caches make no difference here. */
  readonly descriptors: Readonly<Record<string, number>>;
}

/**
 * Lists what a running agent and the containers in `ids` have on the host now; others on the machine may run containers
 * too. The test is in a network namespace of its own.
 */
export async function hostRemains(agent: AgentProcess, ids: ReadonlySet<string>): Promise<HostRemains> {
  const { pid } = agent.process();
  const places = [agent.dataDir, runDirectory(agent.dataDir)];
  const [files, mounts, cgroups, processes, links, filter, descriptors] = await Promise.all([
    filesOf(places),
    mountsOf(pid, places),
    cgroupsOf(ids),
    processesOf(places, pid),
    runCommand('ip', ['-o', 'link']),
    runCommand('nft', ['list', 'ruleset']),
    descriptorsOf(pid),
  ]);
  return {
    files,
    mounts,
    cgroups,
    processes,
    links: links.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(': ')[1] ?? '')
      .sort(),
    packetFilter: filter.stdout,
    descriptors,
  };
}

/**
 * Returns hostRemains of a host without running containers, once background removals have ended: files of removed containers,
 * their monitors and links, and clients. Throws with the remains if they stay.
 */
export async function settledRemains(agent: AgentProcess, ids: ReadonlySet<string>): Promise<HostRemains> {
  let remains = await hostRemains(agent, ids);
  await waitUntil('nothing changes any more', async () => {
    const before = JSON.stringify(remains);
    await sleep(300);
    remains = await hostRemains(agent, ids);
    return before === JSON.stringify(remains) && isIdle(remains);
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(remains)}`);
  });
  return remains;
}

function isIdle({ files, mounts, processes, links }: HostRemains): boolean {
  const goes = [...files, ...mounts].some((path) => path.includes('/.removed-'));
  return !goes && processes.length === 0 && !links.some((name) => name.startsWith('veth'));
}

async function filesOf(places: readonly string[]): Promise<readonly string[]> {
  const names = ['containers', 'runs', 'exits', 'runtime', 'snapshots', 'volumes', 'parts'];
  const folders = places.flatMap((place) => names.map((name) => join(place, name)));
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(folder, { recursive: true }).catch(() => [])).map((name) => join(folder, name)),
    ),
  );
  return found
    .flat()
    .filter((name) => !name.includes('.cache'))
    .sort();
}

async function mountsOf(pid: number, folders: readonly string[]): Promise<readonly string[]> {
  const table = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => folders.some((folder) => point.startsWith(folder)))
    .sort();
}

async function cgroupsOf(ids: ReadonlySet<string>): Promise<readonly string[]> {
  const root = '/sys/fs/cgroup';
  const found = await Promise.all(
    ['.', ...(await readdir(root))].map(async (hierarchy) => {
      const groups = await readdir(join(root, hierarchy, 'berth')).catch(() => []);
      return groups.filter((group) => ids.has(group)).map((group) => `${hierarchy}/${group}`);
    }),
  );
  return found.flat().sort();
}

/** Returns the lines that name one of the folders. */
async function processesOf(folders: readonly string[], agent: number): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === agent) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    if (folders.some((folder) => command.includes(folder))) found.push(command.replaceAll('\0', ' '));
  }
  return found.filter((command) => !command.startsWith('docker ')).sort();
}

async function descriptorsOf(pid: number): Promise<Readonly<Record<string, number>>> {
  const kinds: Record<string, number> = {};
  for (const entry of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${entry}`).catch(() => undefined);
    if (target === undefined) continue;
    const kind = target.replace(/\d+/g, 'N');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}
