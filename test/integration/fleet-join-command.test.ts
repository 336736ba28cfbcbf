import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startFleetRegistry } from '../support/fleet-registry.ts';
import { AGENT_PROGRAM } from '../support/programs.ts';
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

test('a machine that joins several times at once is one host', async (t) => {
  const registry = await startFleetRegistry(t);
  const data = await makeTempDir(t, 'agent');
  const joining = async (name: string, folder = data) =>
    runCommand(
      process.execPath,
      [AGENT_PROGRAM, 'join', registry.url, await registry.joinToken(), '--data', folder, '--name', name],
      { expectExit: 'any' },
    );
  const results = await Promise.all(['one', 'two', 'three', 'four'].map((name) => joining(name)));
  assert.deepEqual(results.map(({ exitCode }) => exitCode).sort(), [0, 2, 2, 2]);
  for (const { stderr } of results.filter(({ exitCode }) => exitCode === 2)) {
    assert.match(stderr, /another "berth-agent join" is running|this host has joined /);
  }
  const names = async () => {
    const { hosts } = (await (await registry.manage('GET', '/hosts')).json()) as {
      hosts: { name: string }[];
    };
    return hosts.map(({ name }) => name);
  };
  const kept = JSON.parse(await readFile(join(data, 'fleet/membership.json'), 'utf8'));
  assert.deepEqual(await names(), [kept.name]);

  // A folder that cannot be written is found before the token is used.
  const other = await makeTempDir(t, 'agent');
  await writeFile(join(other, 'fleet'), '');
  const refused = await joining('five', other);
  assert.equal(refused.exitCode, 2);
  assert.match(refused.stderr, /cannot be written/);
  assert.deepEqual(await names(), [kept.name]);
});
