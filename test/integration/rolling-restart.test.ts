import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { imageFolder } from '../support/image-cache.ts';
import { racingPushers } from '../support/racing-pushers.ts';
import { manifestDigest } from '../support/registry-digests.ts';
import { startReplicas } from '../support/replicas.ts';
import { setUpSkopeo } from '../support/skopeo.ts';
import { makeBusyboxImage } from '../support/test-images.ts';
import { waitUntil } from '../support/wait-until.ts';

test('three replicas are restarted one by one under continuous pushes, none of which fails', async (t) => {
  const replicas = await startReplicas(t, { args: ['--shutdown-delay', '3s', '--log-level', 'warn'] });
  const { skopeo } = await setUpSkopeo(t);
  const image = await makeBusyboxImage(await imageFolder(t));
  const pushers = racingPushers(t, replicas.url, { count: 3, contents: 40, tags: 6 });
  const pushed = () => pushers.reduce((sum, { pushes }) => sum + pushes, 0);
  let done = false;
  let copies = 0;
  const copying = async () => {
    // skopeo tries nothing twice.
    for (; !done; copies += 1) {
      const target = `docker://${replicas.host}/rolling/app-${copies}:1`;
      await skopeo(['copy', '--retry-times', '0', `oci:${image.layout}:${image.refName}`, target]);
    }
  };
  const working = Promise.all([
    copying(),
    ...pushers.map(async (pusher) => {
      while (!done) await pusher.act();
    }),
  ]);
  const restarting = async () => {
    for (const server of replicas.servers) {
      await sleep(500);
      await server.restart();
    }
    await waitUntil('enough was pushed', () => pushed() > 10 && copies > 1);
    done = true;
  };
  await Promise.race([working, restarting()]);
  done = true;
  await working;

  await Promise.all(pushers.map((pusher) => pusher.verify()));
  for (let copy = 0; copy < copies; copy += 1) {
    assert.equal(await manifestDigest(replicas.url, `rolling/app-${copy}`, '1'), image.digest);
  }
  t.diagnostic(`${pushed()} pushes and ${copies} of skopeo; requests of each: ${replicas.counts.join(', ')}`);
});
