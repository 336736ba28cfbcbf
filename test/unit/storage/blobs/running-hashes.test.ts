import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import { test } from 'node:test';
import { type RunningHash, RunningHashes } from '../../../../storage/blobs/running-hashes.ts';

const sha256 = (hash: Hash): RunningHash => ({ algorithm: 'sha256', hash });
const upload = (id: string, size: number, detail = '') => ({ id, size, detail });

test('a hash goes on only from the very state that it was kept for', () => {
  const hashes = new RunningHashes(10);
  const hash = createHash('sha256').update('abc');
  hashes.keep(upload('a', 3), sha256(hash));
  assert.equal(hashes.take(upload('a', 2), 'sha256'), undefined);
  assert.equal(hashes.take(upload('a', 3, 'other'), 'sha256'), undefined);
  assert.equal(hashes.take(upload('b', 3), 'sha256'), undefined);
  const expected = createHash('sha256').update('abc').digest('hex');
  hash.update('more, which the kept hash must not see');
  assert.equal(hashes.take(upload('a', 3), 'sha256')?.hash.digest('hex'), expected);
  assert.equal(hashes.take(upload('a', 3), 'sha256')?.hash.digest('hex'), expected, 'it may be taken twice');
  hashes.forget(upload('a', 3));
  assert.equal(hashes.take(upload('a', 3), 'sha256'), undefined);
});

test('an empty upload needs none', () => {
  const expected = createHash('sha256').digest('hex');
  assert.equal(new RunningHashes(1).take(upload('a', 0), 'sha256')?.hash.digest('hex'), expected);
});

test('those that were kept longest ago are given up first', () => {
  const hashes = new RunningHashes(2);
  const hash = createHash('sha256');
  hashes.keep(upload('a', 1), sha256(hash));
  hashes.keep(upload('b', 1), sha256(hash));
  hashes.keep(upload('a', 2), sha256(hash));
  hashes.keep(upload('c', 1), sha256(hash));
  assert.equal(hashes.take(upload('b', 1), 'sha256'), undefined);
  assert.ok(hashes.take(upload('a', 2), 'sha256'));
  assert.ok(hashes.take(upload('c', 1), 'sha256'));
});

test('an upload goes on with the algorithm that it began with', () => {
  const hashes = new RunningHashes(1);
  assert.equal(hashes.take(upload('a', 0), 'sha512')?.algorithm, 'sha512');
  hashes.keep(upload('a', 1), { algorithm: 'sha512', hash: createHash('sha512').update('a') });
  assert.equal(hashes.take(upload('a', 1), 'sha256')?.algorithm, 'sha512');
});
