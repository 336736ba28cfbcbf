import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { planReset, type RunFolder } from '../../../../runtime-agent/cli/reset/plan-reset.ts';

const folder = (name: string, changes: Partial<RunFolder> = {}): RunFolder => ({
  path: `/run/berth-agent/${name}`,
  inUse: false,
  isNoted: true,
  hasData: false,
  isPinned: true,
  isHere: true,
  ...changes,
});

describe('what agents that have ended leave', () => {
  test('goes with its table and bridges, and what is in use stays', () => {
    const remains = {
      folders: [
        folder('aaaaaaaa0000'),
        folder('bbbbbbbb0000', { inUse: true }),
        folder('cccccccc0000'),
        folder('dddddddd0000', { hasData: true }),
        folder('eeeeeeee0000', { hasData: true, isPinned: false }),
      ],
      tables: [
        { name: 'berth_aaaaaaaa', bridges: ['berth0', 'br-adopted'] },
        { name: 'berth_bbbbbbbb', bridges: ['berth1'] },
        { name: 'berth_cccccccc', bridges: ['berth2', 'br-c'] },
      ],
      bridges: [
        { name: 'berth0', ports: 0 },
        { name: 'berth1', ports: 0 },
        // A container of a killed agent runs on.
        { name: 'berth2', ports: 1 },
        { name: 'br-c', ports: 0 },
      ],
    };
    assert.deepEqual(planReset(remains, { unnoted: false }), {
      folders: [
        { path: '/run/berth-agent/aaaaaaaa0000', whole: true },
        { path: '/run/berth-agent/dddddddd0000', whole: false },
      ],
      tables: ['berth_aaaaaaaa'],
      bridges: ['berth0'],
      kept: ['/run/berth-agent/bbbbbbbb0000', '/run/berth-agent/cccccccc0000'],
    });
  });

  test('goes by reset alone where nobody knows whose it is', () => {
    const remains = {
      folders: [
        folder('aaaaaaaa0000', { isNoted: false }),
        folder('bbbbbbbb0000', { inUse: true, isNoted: false }),
      ],
      tables: [
        { name: 'berth_aaaaaaaa', bridges: ['berth0'] },
        { name: 'berth_cccccccc', bridges: ['berth2'] },
        { name: 'berth_dddddddd', bridges: ['berth3'] },
      ],
      bridges: [
        { name: 'berth0', ports: 0 },
        { name: 'berth2', ports: 1 },
        { name: 'berth3', ports: 0 },
        { name: 'br-lost', ports: 0 },
      ],
    };
    const nothing = planReset(remains, { unnoted: false });
    assert.deepEqual([nothing.folders, nothing.tables, nothing.bridges], [[], [], []]);
    assert.deepEqual(planReset(remains, { unnoted: true }), {
      folders: [{ path: '/run/berth-agent/aaaaaaaa0000', whole: true }],
      tables: ['berth_aaaaaaaa', 'berth_dddddddd'],
      bridges: ['berth0', 'berth3', 'br-lost'],
      kept: ['/run/berth-agent/bbbbbbbb0000'],
    });
  });

  test('does not go from another network namespace with the same names', () => {
    const remains = {
      folders: [folder('aaaaaaaa0000', { isHere: false })],
      tables: [{ name: 'berth_aaaaaaaa', bridges: ['berth0'] }],
      bridges: [{ name: 'berth0', ports: 0 }],
    };
    const { folders, tables, bridges } = planReset(remains, { unnoted: false });
    assert.deepEqual([folders.length, tables, bridges], [1, [], []]);
  });
});
