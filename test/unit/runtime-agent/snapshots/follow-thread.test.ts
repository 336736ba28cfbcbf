import assert from 'node:assert/strict';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FollowThread } from '../../../../runtime-agent/snapshots/follow/follow-thread.ts';
import { TarInspection } from '../../../../runtime-agent/snapshots/tar-findings.ts';
import { writeTar } from '../../../support/tar-writer.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const tar = writeTar([
  { name: 'd/a', type: 'file', content: 'x'.repeat(3_000_000) },
  { name: 'd/.wh.b', type: 'file', content: '' },
]);

describe('FollowThread', () => {
  it('finds of growing files what is found of whole ones, of several at once', async (t) => {
    const thread = new FollowThread();
    const whole = inspect(tar);
    assert.deepEqual(whole.tar, { contentSize: 3_000_000 });
    await Promise.all(
      [1_000_003, 65_536, tar.length, 2_000_000].map(async (size) => {
        const file = await emptyFile(t);
        let reached = 0;
        const followed = thread.follow(file.fd, 'sha256', (position) => {
          assert.ok(position >= reached && position <= tar.length);
          reached = position;
        });
        for (let at = 0; at < tar.length; at += size) {
          await file.write(tar.subarray(at, at + size));
          followed.grown();
        }
        assert.deepEqual(await followed.findings(), whole);
        await followed.close();
      }),
    );
  });

  it('tells what is wrong with a tar, and what reading it failed with', async (t) => {
    const thread = new FollowThread();
    const file = await emptyFile(t);
    await file.write(tar.subarray(0, 1000));
    const followed = thread.follow(file.fd, 'sha512', () => undefined);
    assert.deepEqual(await followed.findings(), inspect(tar.subarray(0, 1000), 'sha512'));
    await followed.close();
    const folder = await open(await makeTempDir(t, 'follow'));
    t.after(() => folder.close());
    for (const grows of [true, false]) {
      const unreadable = thread.follow(folder.fd, 'sha256', () => undefined);
      if (grows) unreadable.grown();
      await assert.rejects(unreadable.findings(), { code: 'EISDIR' });
      await unreadable.close();
    }
  });

  it('forgets what is closed early, and begins anew after a rest', async (t) => {
    const thread = new FollowThread(1);
    for (let time = 0; time < 4; time += 1) {
      const file = await emptyFile(t);
      const left = thread.follow(file.fd, 'sha256', () => undefined);
      await file.write(tar.subarray(0, 500_000));
      left.grown();
      await left.close();
      await file.truncate(0);
      const followed = thread.follow(file.fd, 'sha256', () => undefined);
      followed.grown();
      await file.write(tar, 0, tar.length, 0);
      assert.deepEqual(await followed.findings(), inspect(tar));
      await followed.close();
      await sleep(time);
    }
  });
});

async function emptyFile(t: TestContext): Promise<FileHandle> {
  const file = await open(join(await makeTempDir(t, 'follow'), 'tar'), 'wx+');
  t.after(() => file.close());
  return file;
}

function inspect(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256') {
  const inspection = new TarInspection(algorithm);
  inspection.push(bytes);
  return inspection.findings();
}
