import assert from 'node:assert/strict';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { checkStore } from '../../storage/fsck/check-store.ts';
import type { Finding } from '../../storage/fsck/findings.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { defer } from '../support/cleanup.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagedProcess, startProcess } from '../support/managed-process.ts';
import { RacingPusher } from '../support/racing-pusher.ts';
import { startRegistry } from '../support/registry-process.ts';
import { waitUntil } from '../support/wait-until.ts';

/** BERTH_KILLS=200 is what is run by hand before a release. */
const KILLS = Number(process.env.BERTH_KILLS ?? 6);
const PUSHERS = 4;
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

test(`kill -9 at ${KILLS} moments under pushes, deletes and sweeps: all that was answered is there`, async (t) => {
  const server = await startRegistry(t, { args: ['--gc-interval', 'off', '--log-level', 'warn'] });
  const repositoryOf = (index: number) => `crash/${index % PUSHERS}`;
  const pushers = Array.from(
    { length: PUSHERS },
    (_, index) =>
      new RacingPusher({
        url: server.url,
        repository: repositoryOf(index),
        neighbour: repositoryOf(index + 1),
        contents: 25,
        tags: 8,
      }),
  );
  defer(t, () => {
    for (const pusher of pushers) pusher.close();
  });
  const pushed = () => pushers.reduce((sum, { pushes }) => sum + pushes, 0);
  let sweeper = await startSweeper(t, server.dataDir);
  for (let kill = 0; kill < KILLS; kill += 1) {
    let killed = false;
    const working = pushers.map(async (pusher) => {
      try {
        while (!killed) await pusher.act();
      } catch (error) {
        if (error instanceof assert.AssertionError || !killed) throw error;
      }
    });
    const ended = Promise.all(working);
    // A failure before the kill is that of the test; the moment of the kill is left to chance. A slow machine comes to
    // nothing in that time, so every other one waits for a push.
    const before = kill % 2 === 0 ? -1 : pushed();
    const moment = waitUntil('a push was answered', () => pushed() > before);
    await Promise.race([moment.then(() => sleep(20 + Math.random() * 400)), ended]);
    killed = true;
    await server.kill();
    if (kill % 8 === 4) {
      await sweeper.end('SIGKILL');
      sweeper = await startSweeper(t, server.dataDir);
    }
    await ended;
    await server.restart();
    assert.deepEqual(await findings(server.dataDir), [], `after kill ${kill}`);
    await Promise.all(pushers.map((pusher) => pusher.verify()));
  }
  t.diagnostic(`${pushed()} pushes were answered`);
  assert.ok(pushed() >= Math.floor(KILLS / 2));

  await Promise.all(pushers.map((pusher) => pusher.deleteAll()));
  assert.equal((await sweeper.end('SIGTERM')).code, 0, sweeper.output());
  t.diagnostic(`the last sweeper: ${sweeper.output().trim().split('\n').at(-1)}`);
  await server.stop();
  await using registry = await openStoredRegistry({ data: server.dataDir });
  // Nobody works any more, so that what was left by a kill need not first grow old.
  const policy = { graceMs: 0, untagged: true, orphanAgeMs: 0, historyMs: 0, idleUploadMs: -1 };
  // The lease of a sweep that was killed runs out first.
  await eventually('the last sweep has run', () => collectGarbage({ ...registry, policy }));
  const left: string[] = [];
  for await (const path of glob('{blobs/*/*,uploads}/*', { cwd: server.dataDir })) left.push(path);
  assert.deepEqual(left, []);
  assert.deepEqual(await registry.database('blobs'), []);
});

async function startSweeper(t: TestContext, dataDir: string): Promise<ManagedProcess> {
  const sweeper = startProcess(t, process.execPath, [SWEEPER, dataDir], { env: TEST_CACHE });
  await sweeper.waitForLine(/sweeping/);
  return sweeper;
}

/** What fsck says, with the server and the sweeps at work beside it. */
async function findings(dataDir: string): Promise<readonly Finding[]> {
  await using registry = await openStoredRegistry({ data: dataDir });
  const found: Finding[] = [];
  await checkStore({ ...registry, repair: false, onFinding: (finding) => found.push(finding) });
  return found;
}
