import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decodeCacheDocument,
  encodeCacheDocument,
} from '../../../../runtime-agent/builder/cache/remote/cache-document.ts';

const KEY = 'a'.repeat(64);
const LAYER = `sha256:${'1'.repeat(64)}` as const;
const STEP = { keys: [KEY], diffId: LAYER, description: 'RUN x', createdAt: 1_700_000_000_000 };

describe('the configuration of a build cache', () => {
  test('is read as it was written', () => {
    const empty = { ...STEP, diffId: undefined };
    const read = decodeCacheDocument(encodeCacheDocument({ steps: [STEP, empty], diffIds: [LAYER] }));
    assert.deepEqual(read.diffIds, [LAYER]);
    assert.deepEqual(read.steps[0], STEP);
    assert.equal(read.steps[1]?.diffId, undefined);
  });

  for (const [what, step] of [
    ['no keys', { ...STEP, keys: [] }],
    ['a key that is none', { ...STEP, keys: ['../x'] }],
    ['a layer that is none', { ...STEP, diffId: 'sha256:1' }],
    ['no time', { ...STEP, createdAt: 'now' }],
    ['nothing', null],
  ] as const) {
    test(`a step with ${what} is left out`, () => {
      const bytes = Buffer.from(JSON.stringify({ steps: [step, STEP], diffIds: [LAYER] }));
      assert.deepEqual(decodeCacheDocument(bytes).steps, [STEP]);
    });
  }

  test('damage is refused', () => {
    for (const text of [
      '{',
      '{}',
      '{"steps":[]}',
      '{"steps":[],"diffIds":["x"]}',
      '{"steps":{},"diffIds":[]}',
    ]) {
      assert.throws(() => decodeCacheDocument(Buffer.from(text)), /the cache is damaged/);
    }
  });
});
