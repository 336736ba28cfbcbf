import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDigest } from '../../../../oci/digest.ts';
import { auditTable } from '../../../../server/cli/audit.ts';

const at = new Date('2026-11-27T20:00:00Z');

test('columns fit what is in them; what others have written does nothing to a terminal', () => {
  const digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
  const table = auditTable([
    {
      id: '1',
      at,
      who: 'ada',
      action: 'push',
      outcome: 'done',
      repository: 'team/app',
      tag: '1',
      digest,
      count: 1,
    },
    {
      id: '2',
      at,
      address: '::1',
      action: 'login',
      outcome: 'unauthorized',
      detail: 'tried as "\x1b[2J\u202e"',
      count: 3,
    },
  ]);
  assert.deepEqual(table, [
    'TIME                 WHO  FROM  ACTION  OUTCOME       WHAT',
    '2026-11-27 20:00:00  ada  -     push    done          team/app:1@sha256:abababababab',
    '2026-11-27 20:00:00  -    ::1   login   unauthorized  tried as "\\u001b[2J\\u202e"; 3 times',
  ]);
});

test('a table of nothing has its head alone', () => {
  assert.equal(auditTable([]).length, 1);
});
