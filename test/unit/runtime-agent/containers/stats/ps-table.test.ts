import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkPsArgs, psTable } from '../../../../../runtime-agent/containers/stats/agent-container-stats.ts';

describe('psTable', () => {
  it('keeps the rows of the pids, and joins what is in the last column', () => {
    const output = 'UID   PID  CMD\nroot  7  sh -c  sleep 1\nroot  70  sleep 1\nroot  8  top\n';
    assert.deepEqual(psTable(output, new Set([7, 8])), {
      titles: ['UID', 'PID', 'CMD'],
      processes: [
        ['root', '7', 'sh -c sleep 1'],
        ['root', '8', 'top'],
      ],
    });
  });

  it('keeps threads with their process', () => {
    const output = 'PID LWP CMD\n7 - sh\n- 7 -\n9 - other\n- 9 -\n';
    assert.deepEqual(psTable(output, new Set([7])).processes, [
      ['7', '-', 'sh'],
      ['-', '7', '-'],
    ]);
  });

  it('refuses a table that has no pids, or others in their place', () => {
    assert.throws(
      () => psTable('USER CMD\nroot sh\n', new Set([7])),
      /^EngineError: Couldn't find PID field/,
    );
    assert.throws(() => checkPsArgs('-o user=PID'), /specifying "user=PID" is not allowed/);
    assert.throws(() => checkPsArgs('-\0'), { code: 'bad-request' });
    assert.doesNotThrow(() => checkPsArgs('-o pid=PID,args'));
  });
});
