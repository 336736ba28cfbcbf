import assert from 'node:assert/strict';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { loadInRoot } from '../../lib/linux/files/in-root.ts';
import { loadLibc } from '../../lib/linux/libc.ts';
import { holdPath } from '../../lib/linux/mount/held-path.ts';
import { mount, unmount } from '../../lib/linux/mount/mount.ts';
import { mountInView } from '../../runtime-agent/containers/files/mount-in-view.ts';
import type { TreeTars } from '../../runtime-agent/snapshots/diff/tree-tar.ts';
import { fillWhole } from '../../runtime-agent/volumes/volume-filling.ts';
import { defer } from '../support/cleanup.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

/** What callers get who wait for a server that goes away. */
const GONE = { code: 'ENOTCONN' };
/** Milliseconds after which a thread frees one that waits, so that a failure is no hang. */
const TOO_LONG = 20_000;

describe('a volume on a server that does not answer', { skip: unlessRoot(), timeout: 900_000 }, () => {
  it('is opened for a part of it while the agent goes on', async (t) => {
    const dead = await deadServer(t);
    const opening = holdPath(loadLibc(), dead.above, 'dead/part', await makeTempDir(t, 'parts'));
    opening.catch(() => undefined);
    await dead.assertLoopTurns();
    await assert.rejects(opening, /Transport endpoint is not connected|socket is not connected/);
  });

  it('is mounted into, and over, in the view of a container while the agent goes on', async (t) => {
    const dead = await deadServer(t);
    const source = await makeTempDir(t, 'source');
    const root = openSync(dead.above, constants.O_RDONLY | constants.O_DIRECTORY);
    t.after(() => closeSync(root));
    const point = { source, destination: '/dead/part', type: 'bind', options: ['bind', 'rw'] };
    const mounting = mountInView(loadInRoot(), root, point).catch(() => undefined);
    await dead.assertLoopTurns();
    await mounting;
  });

  it('is filled while the agent goes on', async (t) => {
    const dead = await deadServer(t);
    const copies = { trees: {} as TreeTars, sync: async () => undefined };
    const filling = fillWhole(copies, 0, join(dead.folder, 'part'), 'without-xattrs');
    filling.catch(() => undefined);
    await dead.assertLoopTurns();
    await assert.rejects(filling, GONE);
  });
});

/** A file system whose server never answers: one of FUSE, by a process that does not read what the kernel asks it. */
async function deadServer(t: TestContext) {
  const above = await makeTempDir(t, 'dead');
  const folder = join(above, 'dead');
  await mkdir(folder);
  const server = openSync('/dev/fuse', constants.O_RDWR);
  const data = `fd=${server},rootmode=40000,user_id=0,group_id=0`;
  await mount({ source: 'dead', target: folder, type: 'fuse', flags: [], data });
  defer(t, async () => {
    await unmount(folder, { detach: true });
  });
  const worker = new Worker(
    `const { closeSync } = require('node:fs');
     const { parentPort } = require('node:worker_threads');
     const free = (why) => {
       clearTimeout(timer);
       closeSync(${server});
       parentPort.postMessage(why);
       parentPort.close();
     };
     const timer = setTimeout(() => free('late'), ${TOO_LONG});
     parentPort.on('message', () => free('in time'));
     parentPort.postMessage('ready');`,
    { eval: true, trackUnmanagedFds: false },
  );
  const next = () => new Promise((resolve) => worker.once('message', resolve));
  await next();
  const freed = next();
  return {
    above,
    folder,
    /** The event loop turns while somebody waits for the server; who waits is freed then. */
    async assertLoopTurns() {
      for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      worker.postMessage('free');
      assert.equal(await freed, 'in time');
    },
  };
}
