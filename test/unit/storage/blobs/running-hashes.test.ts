import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  type ContentHash,
  type Hasher,
  INLINE_HASHER,
} from '../../../../storage/blobs/hashing/content-hash.ts';
import { RunningHashes } from '../../../../storage/blobs/hashing/running-hashes.ts';

const upload = (id: string, size: number, detail = '') => ({ id, size, detail });

function hashOf(text: string, algorithm: 'sha256' | 'sha512' = 'sha256'): ContentHash {
  const hash = INLINE_HASHER.begin(algorithm);
  hash.update(Buffer.from(text));
  return hash;
}

const hashes = (limit: number, hasher: Hasher = INLINE_HASHER) => new RunningHashes(hasher, limit);

test('a hash goes on only from the very state that it was kept for', async () => {
  for (const other of [upload('a', 2), upload('a', 3, 'other')]) {
    const running = hashes(10);
    running.keep(upload('a', 3), hashOf('abc'));
    assert.equal(running.take(upload('b', 3), 'sha256'), undefined);
    assert.equal(running.take(other, 'sha256'), undefined);
    assert.equal(running.take(upload('a', 3), 'sha256'), undefined, 'another state has been seen meanwhile');
  }
  const running = hashes(10);
  running.keep(upload('a', 3), hashOf('abc'));
  const expected = createHash('sha256').update('abc').digest('hex');
  assert.equal(await running.take(upload('a', 3), 'sha256')?.digest(), expected);
  assert.equal(running.take(upload('a', 3), 'sha256'), undefined, 'it was given away');
  running.keep(upload('a', 3), hashOf('abc'));
  running.forget(upload('a', 3));
  assert.equal(running.take(upload('a', 3), 'sha256'), undefined);
});

test('an empty upload begins anew', async () => {
  const running = hashes(1);
  running.keep(upload('a', 0), hashOf('something else'));
  const expected = createHash('sha256').digest('hex');
  assert.equal(await running.take(upload('a', 0), 'sha256')?.digest(), expected);
});

test('those that were kept longest ago are given up first', () => {
  const running = hashes(2);
  running.keep(upload('a', 1), hashOf(''));
  running.keep(upload('b', 1), hashOf(''));
  running.keep(upload('a', 2), hashOf(''));
  running.keep(upload('c', 1), hashOf(''));
  assert.equal(running.take(upload('b', 1), 'sha256'), undefined);
  assert.ok(running.take(upload('a', 2), 'sha256'));
  assert.ok(running.take(upload('c', 1), 'sha256'));
});

test('an upload goes on with the algorithm that it began with', () => {
  const running = hashes(1);
  assert.equal(running.take(upload('a', 0), 'sha512')?.algorithm, 'sha512');
  running.keep(upload('a', 1), hashOf('a', 'sha512'));
  assert.equal(running.take(upload('a', 1), 'sha256')?.algorithm, 'sha512');
});

test('every hash that is not given away is dropped', () => {
  const dropped: string[] = [];
  const named = (name: string): ContentHash => ({
    ...hashOf(''),
    ...{ drop: () => dropped.push(name), rest() {} },
  });
  const running = hashes(1);
  running.keep(upload('a', 1), named('replaced'));
  running.keep(upload('a', 2), named('evicted'));
  running.keep(upload('b', 1), named('of another state'));
  running.take(upload('b', 2), 'sha256');
  running.keep(upload('b', 1), named('forgotten'));
  running.forget(upload('b', 1));
  assert.deepEqual(dropped, ['replaced', 'evicted', 'of another state', 'forgotten']);
});
