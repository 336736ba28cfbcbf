import assert from 'node:assert/strict';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../support/agent-process.ts';
import { startAgentWithImage } from '../support/agent-with-image.ts';
import { settledRemains } from '../support/host-remains.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import type { CommandOptions } from '../support/run-command.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

enterOwnNetwork();

const KILLS = Number(process.env.BERTH_AGENT_KILLS ?? 2);
/** How many containers, volumes and networks go on into the next round. */
const KEPT = 4;
const CONTAINERS = Number(process.env.BERTH_CONTAINERS ?? 20);
const options = { skip: unlessRoot(), timeout: 1_800_000 + KILLS * 20_000 + CONTAINERS * 2_000 };

/** What the agent has said yes to, which a crash must not undo. */
interface Promised {
  readonly running: Set<string>;
  readonly removed: Set<string>;
  readonly volumes: Set<string>;
  readonly networks: Set<string>;
}

/** One thing that somebody does; those that the kill interrupts fail, and promise nothing. */
async function actOnce(
  { docker }: AgentProcess,
  image: string,
  name: string,
  choice: number,
  promised: Promised,
): Promise<void> {
  const attempt = async (args: readonly string[]) =>
    (await docker(args, { expectExit: 'any' })).exitCode === 0;
  if (choice < 0.35) {
    const ports = choice < 0.2 ? ['--publish', '0:80', '--volume', '/anonymous'] : ['--memory', '64m'];
    if (await attempt(['run', '--detach', '--name', name, ...ports, image, 'sleep', '100000'])) {
      promised.running.add(name);
    }
  } else if (choice < 0.6) {
    await attempt(['run', '--rm', '--name', name, image, 'sh', '-c', 'echo a > /file']);
  } else if (choice < 0.8) {
    const [victim] = promised.running;
    if (victim === undefined) return;
    promised.running.delete(victim);
    if (await attempt(['rm', '--force', '--volumes', victim])) promised.removed.add(victim);
  } else if (choice < 0.9) {
    if (await attempt(['volume', 'create', name])) promised.volumes.add(name);
  } else if (await attempt(['network', 'create', name])) promised.networks.add(name);
}

async function checkPromises({ docker }: AgentProcess, promised: Promised): Promise<void> {
  const list = async (args: readonly string[], options: CommandOptions = {}) =>
    new Set((await docker(args, options)).stdout.split('\n').filter(Boolean));
  const names = await list(['ps', '--all', '--format', '{{.Names}}']);
  const running = await list(['ps', '--format', '{{.Names}}']);
  for (const name of promised.running) assert.ok(running.has(name), `${name} ran, and does not run now`);
  for (const name of promised.removed) assert.ok(!names.has(name), `${name} was removed, and is there`);
  const volumes = await list(['volume', 'ls', '--quiet']);
  for (const name of promised.volumes) assert.ok(volumes.has(name), `volume ${name} is gone`);
  const networks = await list(['network', 'ls', '--format', '{{.Name}}']);
  for (const name of promised.networks) assert.ok(networks.has(name), `network ${name} is gone`);
  if (names.size === 0) return;
  const format = '{{.Name}} {{.State.Running}} {{.State.Pid}}';
  // Of those with --rm some may end, and go, just now.
  await untilPasses(async () => {
    for (const line of await list(['inspect', '--format', format, ...names], { expectExit: 'any' })) {
      const [name, runs, pid] = line.split(' ');
      assert.equal(runs === 'true', pid !== '0', line);
      if (runs === 'true')
        await access(`/proc/${pid}`).catch(() => assert.fail(`${name} has no process ${pid}`));
    }
  });
}

/** Lets a few promises stand, so that containers outlive several agents, and a round takes as long as the one before. */
async function thinOut(agent: AgentProcess, promised: Promised): Promise<void> {
  const kept = (names: Set<string>) => new Set([...names].slice(-KEPT));
  const keep = {
    running: kept(promised.running),
    volumes: kept(promised.volumes),
    networks: kept(promised.networks),
  };
  await removeAll(agent, keep);
  for (const kind of ['running', 'volumes', 'networks'] as const) {
    promised[kind].clear();
    for (const name of keep[kind]) promised[kind].add(name);
  }
  promised.removed.clear();
}

/** Removes all but what `keep` names, with the anonymous volumes of the containers that stay. */
async function removeAll(
  { docker }: AgentProcess,
  keep: Pick<Promised, 'running' | 'volumes' | 'networks'>,
): Promise<void> {
  const others = async (args: readonly string[], kept: ReadonlySet<string>) =>
    (await docker(args)).stdout.split('\n').filter((name) => name !== '' && !kept.has(name));
  await untilPasses(async () => {
    const containers = await others(['ps', '--all', '--format', '{{.Names}}'], keep.running);
    if (containers.length > 0) await docker(['rm', '--force', '--volumes', ...containers]);
  });
  const used = (await docker(['volume', 'ls', '--quiet', '--filter', 'dangling=false'])).stdout.split('\n');
  const volumes = await others(['volume', 'ls', '--quiet'], new Set([...keep.volumes, ...used]));
  if (volumes.length > 0) await docker(['volume', 'rm', '--force', ...volumes]);
  const custom = ['network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}'];
  const networks = await others(custom, keep.networks);
  if (networks.length > 0) await docker(['network', 'rm', ...networks]);
}

describe('a host', options, () => {
  test(`keeps its promises when its agent is killed ${KILLS} times under load, and nothing is left at the end`, async (t) => {
    const { agent, image } = await startAgentWithImage(t);
    const { docker } = agent;
    const ids = new Set<string>();
    const noteIds = async () => {
      for (const id of await readdir(join(agent.dataDir, 'containers'))) ids.add(id);
    };
    // What is made once and kept, such as the bridge and the mount of the layer.
    await docker(['run', '--rm', '--publish', '0:80', image, 'true']);
    await agent.restart();
    await docker(['run', '--rm', '--publish', '0:80', image, 'true']);
    const remains = async () => {
      const { descriptors: _, ...rest } = await settledRemains(agent, ids);
      return rest;
    };
    const before = await remains();

    const promised: Promised = {
      running: new Set(),
      removed: new Set(),
      volumes: new Set(),
      networks: new Set(),
    };
    for (let round = 1; round <= KILLS; round += 1) {
      let killed = false;
      const worker = async (number: number) => {
        for (let step = 1; !killed && step <= 50; step += 1) {
          await actOnce(agent, image, `c${round}-${number}-${step}`, Math.random(), promised);
          await noteIds();
        }
      };
      const work = Promise.all([1, 2, 3].map(worker));
      // Without a promise nothing could be broken.
      await waitUntil('something has been promised', () =>
        [promised.running, promised.volumes, promised.networks].some((names) =>
          [...names].some((name) => name.startsWith(`c${round}-`)),
        ),
      );
      const delay = Math.random() * 1_500;
      await sleep(delay);
      await agent.kill();
      killed = true;
      await work;
      await noteIds();
      await agent.restart();
      t.diagnostic(`round ${round}: killed after ${delay.toFixed(0)} ms, ${promised.running.size} run`);
      await checkPromises(agent, promised);
      await thinOut(agent, promised);
    }
    await noteIds();
    await removeAll(agent, { running: new Set(), volumes: new Set(), networks: new Set() });
    await untilPasses(async () => assert.deepEqual(await remains(), before));
  });

  test(`is as before after ${CONTAINERS} containers`, async (t) => {
    const { agent, image } = await startAgentWithImage(t);
    // Without the thread that has read the image's layers, which would end by itself meanwhile.
    await agent.restart();
    const { docker } = agent;
    const ids = new Set<string>();
    const makeOne = async (number: number) => {
      const name = `many-${number}`;
      const kind = number % 4;
      if (kind === 0) await docker(['run', '--rm', '--publish', '0:80', image, 'true']);
      else if (kind === 1) {
        ids.add((await docker(['create', '--name', name, '--volume', '/data', image, 'true'])).stdout.trim());
        await docker(['start', '--attach', name]);
        await docker(['rm', '--volumes', name]);
      } else if (kind === 2) {
        const run = ['run', '--detach', '--name', name, '--tty', '--memory', '64m', image, 'sleep', '100000'];
        ids.add((await docker(run)).stdout.trim());
        await docker(['rm', '--force', name]);
      } else await docker(['run', '--rm', image, 'nosuch'], { expectExit: 127 });
    };
    for (let number = 0; number < 8; number += 1) await makeOne(number);
    const before = await settledRemains(agent, ids);
    let next = 8;
    const worker = async () => {
      while (next < 8 + CONTAINERS) {
        next += 1;
        await makeOne(next);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    const { descriptors: descriptorsBefore, ...restBefore } = before;
    await untilPasses(async () => {
      const { descriptors, ...rest } = await settledRemains(agent, ids);
      assert.deepEqual(rest, restBefore);
      // Threads that have nothing to do end after a while, so there may be fewer.
      const more = Object.entries(descriptors).filter(
        ([kind, count]) => count > (descriptorsBefore[kind] ?? 0),
      );
      assert.deepEqual(more, []);
    });
  });
});
