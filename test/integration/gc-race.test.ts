import assert from 'node:assert/strict';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runBerth } from '../support/berth-command.ts';
import { defer } from '../support/cleanup.ts';
import { TEST_CACHE } from '../support/compile-cache.ts';
import { startProcess } from '../support/managed-process.ts';
import { RacingPusher } from '../support/racing-pusher.ts';
import { startRegistry } from '../support/registry-process.ts';

/** BERTH_RACE_PUSHES=10000 is what is run by hand before a release. */
const PUSHES = Number(process.env.BERTH_RACE_PUSHES ?? 400);
const PUSHERS = 8;
const SWEEPER = join(import.meta.dirname, '../support/sweep-for-ever.ts');

test(`${PUSHES} pushes against continuous sweeps without grace: nothing is lost, nothing is left`, async (t) => {
  const server = await startRegistry(t, { args: ['--gc-interval', 'off', '--log-level', 'warn'] });
  const sweeper = startProcess(t, process.execPath, [SWEEPER, server.dataDir], { env: TEST_CACHE });
  await sweeper.waitForLine(/sweeping/);
  const repositoryOf = (index: number) => `race/${index % PUSHERS}`;
  const pushers = Array.from(
    { length: PUSHERS },
    (_, index) =>
      new RacingPusher({
        url: server.url,
        repository: repositoryOf(index),
        neighbour: repositoryOf(index + 1),
        contents: 40,
        tags: 6,
      }),
  );
  defer(t, () => {
    for (const pusher of pushers) pusher.close();
  });
  const pushed = () => pushers.reduce((sum, { pushes }) => sum + pushes, 0);
  await Promise.all(
    pushers.map(async (pusher) => {
      for (let round = 0; pushed() < PUSHES; round += 1) {
        await pusher.act();
        if (round % 50 === 49) await pusher.verify();
      }
      await pusher.verify();
    }),
  );
  assert.equal(sweeper.exit(), undefined, sweeper.output());
  const { code } = await sweeper.end('SIGTERM');
  assert.equal(code, 0, sweeper.output());
  const { sweeps, manifests, blobs } = JSON.parse(sweeper.output().trim().split('\n').at(-1) ?? '');
  const repeats = pushers.reduce((sum, pusher) => sum + pusher.repeats, 0);
  t.diagnostic(
    `${pushed()} pushes, ${repeats} repeated, ${sweeps} sweeps of ${manifests} manifests, ${blobs} blobs`,
  );
  assert.ok(sweeps > 20 && blobs > PUSHES / 10, 'the sweeps had something to do');

  await Promise.all(pushers.map((pusher) => pusher.verify()));
  const checked = await runBerth('fsck', '--data', server.dataDir);
  assert.equal(checked.exitCode, 0, checked.stdout);
  assert.doesNotMatch(checked.stdout, /leftover/);

  await Promise.all(pushers.map((pusher) => pusher.deleteAll()));
  const swept = await runBerth('gc', '--data', server.dataDir, '--grace', '0s', '--untagged');
  assert.equal(swept.exitCode, 0, swept.stderr);
  const left: string[] = [];
  for await (const path of glob('{blobs/*/*,uploads}/*', { cwd: server.dataDir })) left.push(path);
  assert.deepEqual(left, []);
  assert.match(
    (await runBerth('fsck', '--data', server.dataDir)).stdout,
    /checked 0 blobs \(0 B\) and 0 manifests: clean/,
  );
});
