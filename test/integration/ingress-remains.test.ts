import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFolders } from '../../runtime-agent/cli/reset/read-remains.ts';
import { thisOwner } from '../../runtime-agent/cli/reset/run-owner.ts';
import { runDirectory } from '../../runtime-agent/cli/run-directory.ts';
import { defer } from '../support/cleanup.ts';
import { endProxy, makeIngressPlace, openIngress } from '../support/ingress.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

enterOwnNetwork({ ownRun: true });

test('the folder of a killed agent is in use as long as its proxy serves', {
  skip: unlessRoot(),
}, async (t) => {
  const data = await makeTempDir(t, 'data');
  const run = runDirectory(data);
  await mkdir(run, { recursive: true, mode: 0o700 });
  const place = { ...(await makeIngressPlace(t)), folder: join(run, 'ingress') };
  const ingress = openIngress(place);
  await ingress.start(new AbortController().signal);
  defer(t, () => endProxy(place.folder));
  await ingress.close();
  const here = await thisOwner(await makeTempDir(t, 'other'));
  const isInUse = async () => (await readFolders(here)).find(({ path }) => path === run)?.inUse;
  assert.equal(await isInUse(), true);
  await endProxy(place.folder);
  assert.equal(await isInUse(), false);
});
