import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDigest } from '../../../oci/digest.ts';
import { BoundedManifestCache } from '../../../server/registry/manifest-cache.ts';

const digest = (n: number) => parseDigest(`sha256:${String(n).padStart(64, '0')}`);

test('stays within its bytes and drops what was not used for longest', () => {
  const cache = new BoundedManifestCache(100);
  cache.set(digest(1), Buffer.alloc(40));
  cache.set(digest(2), Buffer.alloc(40));
  assert.ok(cache.get(digest(1)));
  cache.set(digest(3), Buffer.alloc(40));
  assert.equal(cache.get(digest(2)), undefined);
  assert.ok(cache.get(digest(1)));
  assert.ok(cache.get(digest(3)));
});

test('takes nothing that is larger than all of it', () => {
  const cache = new BoundedManifestCache(100);
  cache.set(digest(1), Buffer.alloc(40));
  cache.set(digest(2), Buffer.alloc(101));
  assert.equal(cache.get(digest(2)), undefined);
  assert.ok(cache.get(digest(1)));
});

test('the same manifest again counts once', () => {
  const cache = new BoundedManifestCache(100);
  for (let time = 0; time < 10; time += 1) cache.set(digest(1), Buffer.alloc(60));
  cache.set(digest(2), Buffer.alloc(40));
  assert.ok(cache.get(digest(1)));
  assert.ok(cache.get(digest(2)));
});
