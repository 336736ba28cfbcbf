import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { memoryFolder } from '../../runtime-agent/fleet/instance-files.ts';
import { removeRunDirectory, startAgent } from '../support/agent-process.ts';
import { readHostNetwork } from '../support/host-network.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { runCommand } from '../support/run-command.ts';
import { removeTree } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork({ ownRun: true });

test('reset lists and removes leftovers of a killed agent, and so does the start of another', {
  skip: unlessRoot(),
  timeout: 900_000,
}, async (t) => {
  const before = await readHostNetwork();
  const reset = async (...args: readonly string[]) =>
    (await runCommand(process.execPath, [AGENT_PROGRAM, 'reset', ...args])).stdout;
  const remains = async () => {
    const { links, filter } = await readHostNetwork();
    return {
      links: links.filter((name) => !before.links.includes(name)),
      tables: [...filter.matchAll(/^table (\S+ berth\S*)/gm)].map(([, name]) => name),
    };
  };
  const leave = async () => {
    const agent = await startAgent(t);
    await agent.docker(['network', 'create', 'sea']);
    const { links, tables } = await remains();
    await agent.kill();
    return { agent, folder: runDirectory(agent.dataDir), links, tables };
  };

  const first = await leave();
  assert.equal(first.links.length, 1);
  const listed = await reset();
  const own = first.tables.find((name) => name?.startsWith('inet'));
  for (const line of [
    `bridge ${first.links[0]}`,
    `packet filter table ${own}`,
    `mounts kept in ${first.folder}`,
  ]) {
    assert.ok(listed.split('\n').includes(line), `${line} is in\n${listed}`);
  }
  assert.match(listed, /Nothing was removed: "berth-agent reset --yes" removes/);
  assert.deepEqual((await remains()).links, first.links);

  // The first agent's next start: what it needs is there, and is made anew.
  const second = await startAgent(t);
  await second.docker(['network', 'create', 'lake']);
  assert.ok(!(await remains()).links.includes(first.links[0] ?? ''));
  await first.agent.restart();
  await first.agent.docker(['network', 'rm', 'sea']);
  await first.agent.stop();

  const busy = await reset('--yes');
  assert.ok(busy.includes(`in use, kept: ${runDirectory(second.dataDir)}`));
  assert.equal((await remains()).links.length, 1);
  await second.kill();
  await removeTree(second.dataDir);
  // Of a host of a fleet.
  const secrets = memoryFolder(runDirectory(second.dataDir));
  await mkdir(secrets);
  await writeFile(join(secrets, 'secret'), '');
  await startAgent(t);
  assert.ok(!existsSync(runDirectory(second.dataDir)));
  assert.ok(!existsSync(secrets));
  assert.deepEqual(await remains(), { links: [], tables: [] });
  await assert.rejects(
    runCommand(process.execPath, [AGENT_PROGRAM, 'reset', '--data', '/x']),
    /not an option of reset: it takes --yes alone/,
  );
});

test('a test leaves nothing of an agent that it killed', {
  skip: unlessRoot(),
  timeout: 900_000,
}, async (t) => {
  const before = await readHostNetwork();
  const other = await startAgent(t);
  await other.docker(['network', 'create', 'lake']);
  const kept = await readHostNetwork();
  const killed = await startAgent(t);
  await killed.docker(['network', 'create', 'sea']);
  await killed.kill();
  assert.notDeepEqual((await readHostNetwork()).links, kept.links);
  await removeRunDirectory(killed.dataDir);
  assert.ok(!existsSync(runDirectory(killed.dataDir)));
  assert.deepEqual((await readHostNetwork()).links, kept.links);
  const tables = ({ filter }: { readonly filter: string }) => filter.match(/^table .*berth.*$/gm) ?? [];
  assert.deepEqual(tables(await readHostNetwork()), tables(kept));
  assert.equal(tables(kept).length, tables(before).length + 1);
});
