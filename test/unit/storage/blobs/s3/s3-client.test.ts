import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patientRetries } from '../../../../../storage/blobs/s3/s3-client.ts';

const SILENCE = 20_000;

test('a request whose connection was silent is sent again, once', async (t) => {
  let now = 1_000;
  t.mock.method(performance, 'now', () => now);
  const strategy = patientRetries(SILENCE);
  const first = await strategy.acquireInitialRetryToken('scope');
  now += SILENCE;
  const second = await strategy.refreshRetryTokenForRetry(first, { errorType: 'TRANSIENT' });
  assert.equal(second.getRetryCount(), 1);
  now += SILENCE;
  await assert.rejects(
    strategy.refreshRetryTokenForRetry(second, { errorType: 'TRANSIENT' }),
    /for too long/,
  );
});

test('a request that is wrong is not sent again', async () => {
  const strategy = patientRetries(SILENCE);
  const token = await strategy.acquireInitialRetryToken('scope');
  await assert.rejects(
    strategy.refreshRetryTokenForRetry(token, { errorType: 'CLIENT_ERROR' }),
    /cannot succeed/,
  );
});
