import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type AgentContainers, openAgentContainers, runContainer } from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { containerConfig, hostConfig } from '../support/container-requests.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterAgentNamespace();

describe('leaks of containers', { skip: unlessRoot(), timeout: 900_000 }, () => {
  it('leaves nothing of 30 containers behind', async (t) => {
    const agent = await openAgentContainers(t);
    const ids = new Set<string>();
    agent.events.subscribe(({ action, id }) => {
      if (action === 'create') ids.add(id);
    });
    // What is made once and kept, such as the parent cgroup and the mount of the layer, is there after one.
    await oneOfEach(agent, 0);
    let before = await whatIsThere(agent, ids);
    // What has ended may be going still.
    await untilPasses(async () => {
      const last = before;
      before = await whatIsThere(agent, ids);
      assert.deepEqual(before, last);
      assert.deepEqual(before.processes, []);
    });
    for (let round = 1; round <= 10; round += 1) await oneOfEach(agent, round);
    await untilPasses(async () => {
      const { descriptors, ...now } = await whatIsThere(agent, ids);
      const { descriptors: first, ...rest } = before;
      assert.deepEqual(now, rest);
      // A thread that was idle then may have ended since.
      const more = Object.entries(descriptors).filter(([kind, count]) => count > (first[kind] ?? 0));
      assert.deepEqual(more, []);
    });
    assert.deepEqual(await agent.containers.list(), []);
  });
});

/**
 * Four containers: one that removes itself, one that is killed, one whose command is missing, and one with a bind whose device is
 * missing.
 */
async function oneOfEach(agent: AgentContainers, round: number): Promise<void> {
  const { containers } = agent;
  await runContainer(agent, ['sh', '-c', `echo ${round} > /file`], {
    host: { AutoRemove: true, Memory: 32 << 20, PidsLimit: 10 },
  });
  const { id } = await containers.create({
    config: containerConfig(['sleep', '1000'], { OpenStdin: true }),
    hostConfig: hostConfig(),
  });
  const client = await containers.attach(id, { stdin: true, stdout: true, stderr: true });
  await containers.start(id);
  if (round % 2 === 0) client.close();
  await containers.remove(id, { force: true, volumes: false });
  await assert.rejects(runContainer(agent, ['nosuch'], { host: { AutoRemove: true } }), /nosuch/);
  const device = { PathOnHost: '/dev/nosuch', PathInContainer: '/dev/nosuch', CgroupPermissions: 'rwm' };
  const host = { AutoRemove: true, Binds: ['/usr/share/common-licenses:/bound'], Devices: [device] };
  await assert.rejects(runContainer(agent, ['true'], { host }), /device .*nosuch/);
}

async function whatIsThere({ dataDirectory, overlays }: AgentContainers, ids: ReadonlySet<string>) {
  await overlays.settle();
  const list = async (folder: string) => (await readdir(folder, { recursive: true })).sort();
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .filter((line) => line.includes(dataDirectory))
    .sort();
  const files = await Promise.all(
    ['containers', 'run', 'snapshots', 'trial'].map((name) => list(join(dataDirectory, name))),
  );
  return {
    files: files.map((names) => names.filter((name) => !name.includes('.cache'))),
    mounts,
    cgroups: await cgroups(ids),
    processes: await processes(dataDirectory),
    descriptors: await descriptors(),
  };
}

/** The groups of these containers in every hierarchy; others on the machine may run containers too. */
async function cgroups(ids: ReadonlySet<string>): Promise<readonly string[]> {
  const found: string[] = [];
  const root = '/sys/fs/cgroup';
  for (const hierarchy of ['.', ...(await readdir(root))]) {
    const groups = await readdir(join(root, hierarchy, 'berth')).catch(() => []);
    found.push(...groups.filter((group) => ids.has(group)).map((group) => `${hierarchy}/${group}`));
  }
  return found;
}

async function processes(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    if (command.includes(folder)) found.push(command.replaceAll('\0', ' '));
  }
  return found;
}

/** What this process holds open, by kind. */
async function descriptors(): Promise<Readonly<Record<string, number>>> {
  const kinds: Record<string, number> = {};
  for (const entry of await readdir('/proc/self/fd')) {
    const target = await readlink(`/proc/self/fd/${entry}`).catch(() => 'gone');
    // The folder that is being read is open now only.
    if (target === 'gone' || target.includes('/fd')) continue;
    const kind = target.replace(/\d+/g, 'N');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}
