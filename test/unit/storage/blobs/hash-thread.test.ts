import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { HashThread } from '../../../../storage/blobs/hashing/hash-thread.ts';
import { defer } from '../../../support/cleanup.ts';

const KiB = 1024;
const SIZES = [16 * KiB, 1, 64 * KiB, 64 * KiB + 1, 300 * KiB, 7, 1024 * KiB, 65535];

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`many hashes at once, of chunks of any size, with rests: ${algorithm}`, async (t) => {
    const thread = new HashThread();
    defer(t, () => thread.close());
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const expected = createHash(algorithm);
        const hash = thread.begin(algorithm);
        for (let step = 0; step < 24; step += 1) {
          const chunk = randomBytes(SIZES[step === 0 ? 0 : (index + step * 3) % SIZES.length] ?? 1);
          expected.update(chunk);
          await hash.update(chunk);
          // Its memory is the sender's again.
          chunk.fill(0);
          if ((index + step) % 5 === 0) hash.rest();
          if (step % 7 === 0) await new Promise(setImmediate);
        }
        if (index % 4 === 3) hash.drop();
        else assert.equal(await hash.digest(), expected.digest('hex'));
      }),
    );
  });
}

test('small content, and none, is hashed without the thread', async (t) => {
  const thread = new HashThread();
  defer(t, () => thread.close());
  const hash = thread.begin('sha256');
  hash.update(Buffer.from('abc'));
  assert.equal(await hash.digest(), createHash('sha256').update('abc').digest('hex'));
  assert.equal(await thread.begin('sha256').digest(), createHash('sha256').digest('hex'));
});

test('when the thread has ended hashes fail, and new ones get another thread', async () => {
  const thread = new HashThread();
  const hash = thread.begin('sha256');
  await hash.update(randomBytes(64 * KiB));
  await thread.close();
  await assert.rejects(hash.digest(), /the thread that hashes has ended/);
  const next = thread.begin('sha256');
  await next.update(Buffer.alloc(64 * KiB));
  assert.equal(
    await next.digest(),
    createHash('sha256')
      .update(Buffer.alloc(64 * KiB))
      .digest('hex'),
  );
  await thread.close();
});
