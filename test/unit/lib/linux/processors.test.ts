import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { parseProcessorList, readProcessors } from '../../../../lib/linux/processors.ts';

describe('processors', () => {
  it('reads numbers and ranges', () => {
    assert.deepEqual(parseProcessorList('0-2,4'), ['0', '1', '2', '4']);
    assert.deepEqual(parseProcessorList('7'), ['7']);
    assert.deepEqual(parseProcessorList(''), []);
  });

  it('finds those of this process', async () => {
    assert.equal((await readProcessors()).length, availableParallelism());
  });
});
