/**
 * Collects garbage of the data folder that the first argument names (and what else BERTH_* says of it), without a grace period and one time after
 * the other, until SIGTERM. Prints `sweeping` at the start, and at the end the number of sweeps.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openStoredRegistry } from '../../server/cli/stored-registry.ts';
import { loadConfig } from '../../server/config/config.ts';
import { collectGarbage } from '../../storage/gc/collect-garbage.ts';
import { garbagePolicy } from '../../storage/gc/garbage-policy.ts';

const [data] = process.argv.slice(2);
if (data === undefined) throw new Error('usage: sweep-for-ever FOLDER');
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
await using registry = await openStoredRegistry(
  loadConfig({ flags: { data }, env: process.env, isRoot: false }),
);
const deleted = { manifests: 0, links: 0, blobs: 0 };
let sweeps = 0;
process.stdout.write('sweeping\n');
while (!stopping.signal.aborted) {
  const report = await collectGarbage({ ...registry, policy: garbagePolicy(0, true) });
  // Undefined until the lease of one that was killed has run out.
  if (report === undefined) await sleep(100);
  else sweeps += 1;
  for (const what of ['manifests', 'links', 'blobs'] as const) deleted[what] += report?.[what] ?? 0;
  await sleep(50);
}
process.stdout.write(`${JSON.stringify({ sweeps, ...deleted })}\n`);
