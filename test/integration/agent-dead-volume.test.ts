import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
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
import { runCommand } from '../support/run-command.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { unlessRoot } from '../support/unless-root.ts';

/** Whoever waits for the server is told that there is none (linux/auto_fs.h, AUTOFS_IOC_CATATONIC). */
const CATATONIC = 0x9362;
/** Milliseconds after which a thread frees one that waits, so that a failure is no hang. */
const TOO_LONG = 20_000;

describe('a volume on a server that does not answer', { skip: unlessRoot(), timeout: 900_000 }, () => {
  it('is opened for a part of it while the agent goes on', async (t) => {
    const dead = await deadServer(t);
    const opening = holdPath(loadLibc(), dead.folder, 'part', await makeTempDir(t, 'parts'));
    await dead.assertLoopTurns();
    assert.equal(await opening, undefined);
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
    await assert.rejects(filling, { code: 'conflict' });
  });
});

/** A file system whose server never answers: an automounter's, of a process that does nothing. */
async function deadServer(t: TestContext) {
  const above = await makeTempDir(t, 'dead');
  const folder = join(above, 'dead');
  await mkdir(folder);
  const pipe = join(above, 'pipe');
  await runCommand('mkfifo', [pipe]);
  const fd = openSync(pipe, constants.O_RDWR);
  defer(t, () => closeSync(fd));
  // Processes of the server's own group do not wait for it.
  const server = spawn('sleep', ['100000'], { detached: true, stdio: 'ignore' });
  defer(t, () => {
    server.kill('SIGKILL');
  });
  const data = `fd=${fd},pgrp=${server.pid},minproto=5,maxproto=5,indirect`;
  await mount({ source: 'dead', target: folder, type: 'autofs', flags: [], data });
  defer(t, async () => {
    await unmount(folder, { detach: true });
  });
  const libc = new URL('../../lib/linux/libc.ts', import.meta.url).href;
  const worker = new Worker(
    `const { openSync } = require('node:fs');
     const { parentPort } = require('node:worker_threads');
     import(${JSON.stringify(libc)}).then(({ loadLibc }) => {
       const free = (why) => {
         clearTimeout(timer);
         loadLibc().ioctl(openSync(${JSON.stringify(folder)}), ${CATATONIC}, new Uint8Array(8));
         parentPort.postMessage(why);
         parentPort.close();
       };
       const timer = setTimeout(() => free('late'), ${TOO_LONG});
       parentPort.on('message', () => free('in time'));
       parentPort.postMessage('ready');
     });`,
    { eval: true },
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
