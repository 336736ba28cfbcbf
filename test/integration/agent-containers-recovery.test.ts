import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../storage/catalog/database.ts';
import {
  type AgentContainers,
  collectOutput,
  openAgentContainers,
  readCommandLine,
  readLogs,
} from '../support/agent-containers.ts';
import { enterAgentNamespace } from '../support/agent-namespace.ts';
import { defer } from '../support/cleanup.ts';
import type { ChildCommand } from '../support/containers-child.ts';
import { eventually } from '../support/eventually.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';
import { untilPasses } from '../support/until-passes.ts';

enterAgentNamespace();

const CHILD = new URL('../support/containers-child.ts', import.meta.url).pathname;

interface Child {
  tell(command: ChildCommand): Promise<string>;
  /** kill -9, and wait until it is gone. */
  kill(): Promise<void>;
}

/** Starts an agent in a process of its own over `dataDirectory`. */
async function startChild(t: TestContext, dataDirectory: string, runtimePath?: string): Promise<Child> {
  const args = [CHILD, dataDirectory, 'crun', ...(runtimePath === undefined ? [] : [runtimePath])];
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
  };
  defer(t, kill);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, 'the agent has ended');
    return value as string;
  };
  assert.equal(await nextLine(), 'ready');
  return {
    kill,
    tell: (command) => {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      return nextLine();
    },
  };
}

/** An agent over what a killed one has left. */
async function takeOver(t: TestContext, dataDirectory: string): Promise<AgentContainers> {
  return openAgentContainers(t, { dataDirectory, runtime: 'crun' });
}

describe('recovery of containers', { skip: unlessRoot(), timeout: 900_000 }, () => {
  it('goes on with two containers that outlived kill -9 of the agent', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const child = await startChild(t, folder);
    const script =
      'trap "echo stopping; exit 9" TERM; i=0; while :; do i=$((i+1)); echo "$0 $i"; sleep 0.1; done';
    const one = await child.tell({ do: 'start', name: 'one', script });
    const two = await child.tell({
      do: 'start',
      name: 'two',
      script: 'trap "exit 6" USR1; echo two; while :; do sleep 0.1; done',
    });
    await child.kill();
    const { containers } = await takeOver(t, folder);
    const agent = { containers } as AgentContainers;
    const states = await Promise.all([one, two].map((id) => containers.get(id)));
    assert.deepEqual(
      states.map(({ state, name }) => [name, state.status, state.pid > 0]),
      [
        ['one', 'running', true],
        ['two', 'running', true],
      ],
    );
    const waiting = await containers.wait(two, 'not-running', AbortSignal.timeout(LONGEST_WAIT));
    const before = (await readLogs(agent, one)).trim().split('\n').length;
    const client = await containers.attach(one, { stdin: false, stdout: true, stderr: true });
    await eventually('the log grows', async () =>
      (await readLogs(agent, one)).trim().split('\n').length > before ? true : undefined,
    );
    await containers.stop('one', { timeout: 200 });
    assert.equal((await containers.get(one)).state.exitCode, 9);
    assert.match(await readLogs(agent, one, { tail: 1 }), /^stopping\n$/);
    assert.match((await collectOutput(client)).stdout, /stopping\n$/);
    // A signal that comes before its trap is none.
    await eventually('the other one is at work', async () =>
      (await readLogs(agent, two)) === 'two\n' ? true : undefined,
    );
    await containers.kill(two, 'USR1');
    assert.deepEqual(await waiting.result, { exitCode: 6 });
    assert.equal(await readLogs(agent, two), 'two\n');
    // What ran can run again.
    await containers.start(two);
    await containers.remove(two, { force: true, volumes: false });
  });

  it('learns how containers ended while no agent was there', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const child = await startChild(t, folder);
    const gate = await makeTempDir(t, 'gate');
    const wait = 'until [ -e /gate/open ]; do sleep 0.05; done';
    const Binds = [`${gate}:/gate`];
    const kept = await child.tell({
      do: 'start',
      name: 'kept',
      script: `${wait}; echo end; exit 21`,
      host: { Binds },
    });
    const removed = await child.tell({
      do: 'start',
      name: 'removed',
      script: `${wait}; exit 22`,
      host: { Binds, AutoRemove: true },
    });
    await child.kill();
    await writeFile(join(gate, 'open'), '');
    await eventually('both have ended', async () => {
      const ended = await readdir(join(folder, 'run/exits'));
      return ended.includes(kept) && ended.includes(removed) ? true : undefined;
    });
    const agent = await takeOver(t, folder);
    const { state } = await agent.containers.get(kept);
    assert.deepEqual([state.status, state.exitCode, state.pid], ['exited', 21, 0]);
    assert.ok(Date.parse(state.finishedAt) > Date.parse(state.startedAt));
    assert.equal(await readLogs(agent, kept), 'end\n');
    await assert.rejects(agent.containers.get(removed), { code: 'not-found' });
    assert.deepEqual(await agent.overlays.list(), [kept]);
    assert.deepEqual(await readdir(join(folder, 'run/exits')), []);
    assert.deepEqual(await runtimeStates(folder), []);
  });

  it('clears what kill -9 in the middle of a start has left', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const ids: string[] = [];
    for (const delay of [5, 10, 15, 20, 30]) {
      const child = await startChild(t, folder);
      ids.push(
        await child.tell({ do: 'begin-start', name: `half-${delay}`, script: `sleep 1000; : ${delay}` }),
      );
      await sleep(delay);
      await child.kill();
    }
    const { containers, overlays } = await takeOver(t, folder);
    for (const id of ids) {
      const { state } = await containers.get(id);
      if (state.status !== 'running') {
        assert.equal(state.status, 'created');
        await containers.start(id);
      }
      const { pid } = (await containers.get(id)).state;
      // The runtime answers just before the process becomes the command.
      await eventually('the command runs', async () =>
        (await readCommandLine(pid))?.includes('sleep 1000') ? true : undefined,
      );
      await containers.remove(id, { force: true, volumes: false });
    }
    await untilPasses(async () => assert.deepEqual(await processesOf(folder), []));
    assert.deepEqual(await runtimeStates(folder), []);
    assert.deepEqual(await readdir(join(folder, 'containers')), []);
    await overlays.settle();
    assert.deepEqual(await readdir(join(folder, 'snapshots')), []);
  });

  it('completes a start that was recorded when the agent was killed', async (t) => {
    const directory = await makeTempDir(t, 'recovery');
    const folder = join(directory, 'data');
    const killer = join(directory, 'killer');
    const recorded = join(directory, 'recorded');
    const kill = `until [ -e ${recorded} ]; do sleep 0.05; done; kill -9 $PPID; exit 1`;
    await writeFile(killer, `#!/bin/sh\ncase "$*" in *" start "*) ${kill};; esac\nexec crun "$@"\n`, {
      mode: 0o755,
    });
    const child = await startChild(t, folder, killer);
    const telling = assert.rejects(
      child.tell({ do: 'start', name: 'waiting', script: 'echo began; sleep 1000' }),
      /has ended/,
    );
    const knex = await openDatabase({ file: join(folder, 'state.sqlite') });
    defer(t, () => knex.destroy());
    await eventually(
      'the start is recorded',
      async () => (await knex('containers').first('run'))?.run ?? undefined,
    );
    await writeFile(recorded, '');
    await telling;
    await child.kill();
    const agent = await takeOver(t, folder);
    assert.equal((await agent.containers.get('waiting')).state.status, 'running');
    await eventually('it runs', async () =>
      (await readLogs(agent, 'waiting')) === 'began\n' ? true : undefined,
    );
    await agent.containers.remove('waiting', { force: true, volumes: false });
  });

  it('ends a container whose monitor was killed', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const child = await startChild(t, folder);
    const id = await child.tell({ do: 'start', name: 'orphan', script: 'sleep 1000' });
    await child.kill();
    for (const pid of await processesOf(folder)) process.kill(pid, 'SIGKILL');
    const { containers } = await takeOver(t, folder);
    const { state } = await containers.get(id);
    assert.deepEqual([state.status, state.exitCode], ['exited', 137]);
    await containers.start(id);
    assert.equal((await containers.get(id)).state.status, 'running');
    await containers.remove(id, { force: true, volumes: false });
  });

  it('takes the containers of an earlier boot for ended', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const started = await startChild(t, folder);
    const id = await started.tell({ do: 'start', name: 'earlier', script: 'sleep 1000' });
    await started.kill();
    const knex = await openDatabase({ file: join(folder, 'state.sqlite') });
    const { run }: { run: string } = await knex('containers').first('run');
    await knex('containers').update({ run: JSON.stringify({ ...JSON.parse(run), bootId: 'another' }) });
    await knex.destroy();
    const { containers } = await takeOver(t, folder);
    const { state } = await containers.get(id);
    assert.deepEqual([state.status, state.exitCode], ['exited', 255]);
  });

  it('removes what belongs to no container', async (t) => {
    const folder = join(await makeTempDir(t, 'recovery'), 'data');
    const agent = await openAgentContainers(t, { dataDirectory: folder, runtime: 'crun' });
    const stray = 'a'.repeat(64);
    await agent.overlays.mount(stray, await agent.layerStore.list());
    await writeFile(join(folder, 'run/exits', stray), '0');
    const again = await agent.restart();
    assert.deepEqual(await again.overlays.list(), []);
    assert.deepEqual(await readdir(join(folder, 'run/exits')), []);
  });
});

/** IDs that the runtime knows; it keeps a cache beside them. */
async function runtimeStates(folder: string): Promise<readonly string[]> {
  return (await readdir(join(folder, 'run/runtime'))).filter((name) => !name.startsWith('.'));
}

/** The pids of all that has the folder on its command line: monitors, and runtimes that are at work. */
async function processesOf(folder: string): Promise<readonly number[]> {
  const pids: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'latin1').catch(() => '');
    if (command.includes(folder)) pids.push(Number(entry));
  }
  return pids;
}
