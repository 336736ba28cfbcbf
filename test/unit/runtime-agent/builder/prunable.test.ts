import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type CachePruning,
  type CacheRecord,
  prunable,
} from '../../../../runtime-agent/builder/build-cache.ts';

function record(id: string, day: number, more: Partial<CacheRecord> = {}): CacheRecord {
  return {
    id,
    type: 'regular',
    description: '',
    size: 10,
    createdAt: new Date(2024, 0, 1),
    lastUsedAt: new Date(2024, 0, day),
    usageCount: 1,
    inUse: false,
    shared: false,
    ...more,
  };
}

function taken(records: readonly CacheRecord[], pruning: Partial<CachePruning> = {}): string[] {
  const all = { all: false, keepBytes: 0, matches: () => true, ...pruning };
  return prunable(records, all).map(({ id }) => id);
}

describe('what a prune takes', () => {
  test('what was used longest ago first, and nothing that is in use', () => {
    const records = [record('new', 9), record('old', 2), record('busy', 1, { inUse: true })];
    assert.deepEqual(taken(records), ['old', 'new']);
  });

  test('what an image has too only with all', () => {
    const records = [record('shared', 2, { shared: true }), record('own', 3)];
    assert.deepEqual(taken(records), ['own']);
    assert.deepEqual(taken(records, { all: true }), ['shared', 'own']);
  });

  test('until the rest fits', () => {
    const records = [record('a', 1), record('b', 2), record('c', 3)];
    assert.deepEqual(taken(records, { keepBytes: 20 }), ['a']);
    assert.deepEqual(taken(records, { keepBytes: 19 }), ['a', 'b']);
    assert.deepEqual(taken(records, { keepBytes: 30 }), []);
    // What is in use takes its room.
    assert.deepEqual(taken([record('a', 1), record('b', 2, { inUse: true })], { keepBytes: 10 }), ['a']);
  });

  test('by time and by condition', () => {
    const records = [record('a', 1), record('b', 5), record('never', 1)];
    const { lastUsedAt: _, ...never } = record('never', 1);
    assert.deepEqual(taken([...records.slice(0, 2), never], { usedBefore: new Date(2024, 0, 3) }), [
      'a',
      'never',
    ]);
    assert.deepEqual(taken(records, { matches: ({ id }) => id === 'b' }), ['b']);
  });
});
