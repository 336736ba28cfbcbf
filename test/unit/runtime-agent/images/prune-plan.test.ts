import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../../../oci/digest.ts';
import { chainIds } from '../../../../runtime-agent/images/chain-ids.ts';
import { planPrune } from '../../../../runtime-agent/images/prune/prune-images.ts';
import { makeImage } from '../engine-api/fakes/fake-images.ts';

test('a prune takes images without a tag, or all that nobody uses, by age and labels', () => {
  const tagged = makeImage('tagged:1', '1');
  const dangling = { ...makeImage('x:1', '4'), repoTags: [], repoDigests: [] };
  const undated = { ...dangling, id: `sha256:${'5'.repeat(64)}` as Digest };
  Reflect.deleteProperty(undated, 'created');
  const all = [tagged, dangling, undated];
  const plan = (pruning: Partial<Parameters<typeof planPrune>[1]>, used: readonly string[] = []) =>
    planPrune(all, { danglingOnly: false, matches: () => true, ...pruning }, new Set(used));
  assert.deepEqual(plan({ danglingOnly: true }), [dangling, undated]);
  assert.deepEqual(plan({}), all);
  assert.deepEqual(plan({}, [tagged.id]), [dangling, undated]);
  assert.deepEqual(plan({ until: Date.UTC(2024, 0) }), [tagged, dangling]);
  assert.deepEqual(plan({ until: Date.UTC(2023, 11) }), []);
  assert.deepEqual(plan({ matches: (labels) => labels.origin === 'other' }), []);
});

test('chain IDs stand for a layer and all below it', () => {
  const [a, b] = ['a', 'b'].map((fill): Digest => `sha256:${fill.repeat(64)}`) as [Digest, Digest];
  // sha256sum of "sha256:aa… sha256:bb…".
  assert.deepEqual(chainIds([a, b]), [
    a,
    'sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c',
  ]);
  assert.deepEqual(chainIds([]), []);
});
