import assert from 'node:assert/strict';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { checkStore } from '../../storage/fsck/check-store.ts';
import type { Finding } from '../../storage/fsck/findings.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagedProcess, startProcess } from '../support/managed-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { racingPushers } from '../support/racing-pushers.ts';
import { type Replicas, startReplicas } from '../support/replicas.ts';

/** BERTH_KILLS=100 is what is run by hand before a release. */
const KILLS = Number(process.env.BERTH_KILLS ?? 6);
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

test(`kill -9 of replicas and PostgreSQL at ${KILLS} moments: all that was answered is there`, async (t) => {
  const postgres = await startPostgres(t, { durable: true });
  const replicas = await startReplicas(t, {
    postgres,
    args: ['--gc-interval', 'off', '--log-level', 'error'],
  });
  const pushers = racingPushers(t, replicas.url, { count: 4, contents: 25, tags: 8 });
  let sweeper = await startSweeper(t, replicas);
  for (let kill = 0; kill < KILLS; kill += 1) {
    let broken = false;
    let stopped = false;
    const ended = Promise.all(
      pushers.map(async (pusher) => {
        while (!stopped) {
          try {
            await pusher.act();
          } catch (error) {
            if (error instanceof assert.AssertionError || !broken) throw error;
          }
        }
      }),
    );
    // A failure before the kill is that of the test; the moment of the kill is left to chance.
    await Promise.race([sleep(50 + Math.random() * 500), ended]);
    broken = true;
    await strike(replicas, kill);
    stopped = true;
    await ended;
    if (sweeper.exit() !== undefined) sweeper = await startSweeper(t, replicas);
    assert.deepEqual(await findings(replicas), [], `after kill ${kill}`);
    await Promise.all(pushers.map((pusher) => pusher.verify()));
  }
  const pushes = pushers.reduce((sum, pusher) => sum + pusher.pushes, 0);
  t.diagnostic(`${pushes} pushes were answered`);
  assert.ok(pushes >= KILLS);
  for (const server of replicas.servers) {
    assert.doesNotMatch(server.process().output(), /"statusCode":500|UNKNOWN/);
  }

  await Promise.all(pushers.map((pusher) => pusher.deleteAll()));
  await sweeper.end('SIGKILL');
  await Promise.all(replicas.servers.map((server) => server.stop()));
  await using registry = await openStoredRegistry({ data: replicas.dataDir, database: replicas.database });
  // Nobody works any more, so that what was left by a kill need not first grow old.
  const policy = { graceMs: 0, untagged: true, orphanAgeMs: 0, historyMs: 0, idleUploadMs: -1 };
  // The lease of the sweep that was killed runs out first.
  await eventually('the last sweep has run', () => collectGarbage({ ...registry, policy }));
  const left: string[] = [];
  for await (const path of glob('{blobs/*/*,uploads}/*', { cwd: replicas.dataDir })) left.push(path);
  assert.deepEqual(left, []);
  assert.deepEqual(await registry.database('blobs'), []);
});

/** Ends something in the middle of its work, and has it begin again. */
async function strike({ postgres, servers }: Replicas, kill: number): Promise<void> {
  const server = servers[kill % servers.length];
  if (server === undefined) throw new Error('there are no servers');
  switch (kill % 3) {
    case 0:
      await server.kill();
      await sleep(200);
      await server.restart();
      return;
    case 1:
      await postgres.kill();
      await postgres.start();
      return;
    default:
      // It may hold rows and locks meanwhile.
      process.kill(server.process().pid, 'SIGSTOP');
      await sleep(1_000);
      await server.kill();
      await server.restart();
  }
}

async function startSweeper(
  t: TestContext,
  { dataDir, database }: Pick<Replicas, 'dataDir' | 'database'>,
): Promise<ManagedProcess> {
  const sweeper = startProcess(t, process.execPath, [SWEEPER, dataDir], {
    env: { BERTH_DATABASE: database },
  });
  await sweeper.waitForLine(/sweeping/);
  return sweeper;
}

/** What fsck says, with the servers and the sweeps at work beside it. */
async function findings({ dataDir, database }: Replicas): Promise<readonly Finding[]> {
  await using registry = await openStoredRegistry({ data: dataDir, database });
  const found: Finding[] = [];
  await checkStore({ ...registry, repair: false, onFinding: (finding) => found.push(finding) });
  return found;
}
