import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { loadConfig } from '../../server/config/config.ts';
import { DatabaseUnavailableError, StorageUnavailableError } from '../../storage/errors.ts';
import { checkStore } from '../../storage/fsck/check-store.ts';
import type { Finding } from '../../storage/fsck/findings.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { LONGEST_WAIT } from '../support/longest-wait.ts';
import { type ManagedProcess, startProcess } from '../support/managed-process.ts';
import { startPostgres } from '../support/postgres.ts';
import { UnavailableError } from '../support/racing-pusher.ts';
import { racingPushers } from '../support/racing-pushers.ts';
import { type Replicas, startReplicas } from '../support/replicas.ts';
import { startCeph } from '../support/s3/ceph-rgw.ts';
import { makeBucket, storageUrl, useCredentials } from '../support/s3/s3-server.ts';
import { untilPasses } from '../support/until-passes.ts';
import { waitUntil } from '../support/wait-until.ts';

/** BERTH_KILLS=100 is what is run by hand before a release. */
const KILLS = Number(process.env.BERTH_KILLS ?? 3);
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

const postgres = await startPostgres({ after }, { durable: true });

test(`kill -9 of replicas and PostgreSQL at ${KILLS} moments, over one folder: all that was answered is there`, (t) =>
  survivesKills(t));

test(`kill -9 of replicas and PostgreSQL at ${KILLS} moments, over S3: all that was answered is there`, async (t) => {
  const s3 = await startCeph(t);
  useCredentials(s3);
  await makeBucket(s3, 'crash');
  await survivesKills(t, storageUrl(s3.endpoint, 'crash', 'registry'));
});

async function survivesKills(t: TestContext, storage?: string): Promise<void> {
  const args = ['--gc-interval', 'off', '--log-level', 'error'];
  const replicas = await startReplicas(t, { postgres, args, ...(storage !== undefined && { storage }) });
  const pushers = racingPushers(t, replicas.url, { count: 4, contents: 25, tags: 8 });
  const pushed = () => pushers.reduce((sum, { pushes }) => sum + pushes, 0);
  let sweeper = await startSweeper(t, replicas, storage);
  for (let kill = 0; kill < KILLS; kill += 1) {
    let broken = false;
    let stopped = false;
    const ended = Promise.all(
      pushers.map(async (pusher) => {
        while (!stopped) {
          try {
            await pusher.act();
          } catch (error) {
            if (error instanceof assert.AssertionError || !(broken || isUnavailable(error))) throw error;
          }
        }
      }),
    );
    // A failure before the kill is that of the test; the moment of the kill is left to chance. A slow machine comes to
    // nothing in that time, so a push is waited for.
    const before = pushed();
    const moment = waitUntil('a push was answered', () => pushed() > before);
    await Promise.race([moment.then(() => sleep(50 + Math.random() * 500)), ended]);
    broken = true;
    await strike(replicas, kill);
    stopped = true;
    await ended;
    if (sweeper.exit() !== undefined) sweeper = await startSweeper(t, replicas, storage);
    const found = await onceAvailable(() => findings(replicas, storage));
    assert.deepEqual(found, [], `after kill ${kill}`);
    await Promise.all(pushers.map((pusher) => onceAvailable(() => pusher.verify())));
  }
  t.diagnostic(`${pushed()} pushes were answered`);

  await Promise.all(pushers.map((pusher) => onceAvailable(() => pusher.deleteAll())));
  await sweeper.end('SIGKILL');
  await Promise.all(replicas.servers.map((server) => server.stop()));
  await using registry = await openStoredRegistry(configOf(replicas, storage));
  // Nobody works any more, so that what was left by a kill need not first grow old.
  const policy = { graceMs: 0, untagged: true, orphanAgeMs: 0, historyMs: 0, idleUploadMs: -1 };
  // The lease of the sweep that was killed runs out first.
  await eventually('the last sweep has run', () =>
    onceAvailable(() => collectGarbage({ ...registry, policy })),
  );
  assert.deepEqual(await Array.fromAsync(registry.blobs.listStored()), []);
  assert.deepEqual(await registry.database('blobs'), []);
}

/** Ends something in the middle of its work, and has it begin again. */
async function strike({ postgres, servers }: Replicas, kill: number): Promise<void> {
  const server = servers[kill % servers.length];
  if (server === undefined) throw new Error('there are no servers');
  switch (kill % 3) {
    case 0:
      await server.kill();
      await sleep(200);
      await untilPasses(() => server.restart());
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
      await untilPasses(() => server.restart());
  }
}

async function startSweeper(
  t: TestContext,
  { dataDir, database }: Replicas,
  storage: string | undefined,
): Promise<ManagedProcess> {
  const env = {
    ...TEST_CACHE,
    BERTH_DATABASE: database,
    ...(storage !== undefined && { BERTH_STORAGE: storage }),
  };
  return await untilPasses(async () => {
    const sweeper = startProcess(t, process.execPath, [SWEEPER, dataDir], { env });
    await sweeper.waitForLine(/sweeping/);
    return sweeper;
  });
}

/** A storage or a database that is slow on a busy machine: no promise is broken, and the client comes again. */
function isUnavailable(error: unknown): boolean {
  return (
    error instanceof UnavailableError ||
    error instanceof StorageUnavailableError ||
    error instanceof DatabaseUnavailableError
  );
}

/** Does `work` again, for at most LONGEST_WAIT, while something that it needs is not available. */
async function onceAvailable<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + LONGEST_WAIT; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isUnavailable(error) || Date.now() > deadline) throw error;
    }
    await sleep(100);
  }
}

/** What fsck says, with the servers and the sweeps at work beside it. */
async function findings(replicas: Replicas, storage: string | undefined): Promise<readonly Finding[]> {
  await using registry = await openStoredRegistry(configOf(replicas, storage));
  const found: Finding[] = [];
  await checkStore({ ...registry, repair: false, onFinding: (finding) => found.push(finding) });
  return found;
}

function configOf({ dataDir, database }: Replicas, storage: string | undefined) {
  const env = { BERTH_DATABASE: database, ...(storage !== undefined && { BERTH_STORAGE: storage }) };
  return loadConfig({ flags: { data: dataDir }, env, isRoot: false });
}
