import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CacheMounts } from '../../../../runtime-agent/build/cache/cache-mounts.ts';
import { LONGEST_WAIT } from '../../../support/longest-wait.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()];
const LOCKED = { id: 'one', sharing: 'locked', mode: 0o755, uid, gid, fill: undefined } as const;

test('a build that is cancelled while its cache is filled leaves the lock to the next', async (t) => {
  const mounts = await CacheMounts.open(await makeTempDir(t, 'caches'));
  const cancelled = new AbortController();
  const fill = async () => cancelled.abort(new Error('cancelled'));
  await assert.rejects(mounts.acquire({ ...LOCKED, fill }, cancelled.signal), /cancelled/);
  const next = await mounts.acquire(LOCKED, AbortSignal.timeout(LONGEST_WAIT));
  next.release();
});
