import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Refusals } from '../../../server/audit/refusals.ts';
import type { AuditEntry } from '../../../storage/catalog/audit-catalog.ts';

test('a flood of refusals becomes a bounded number of lines, and each refusal is counted', async () => {
  let now = 0;
  const written: AuditEntry[] = [];
  const audit = { record: async (entries: readonly AuditEntry[]) => void written.push(...entries) };
  const refusals = new Refusals(audit, pino({ level: 'silent' }), () => now);
  const note = (address: string) => refusals.note({ action: 'pull', outcome: 'denied', address });
  for (let index = 0; index < 5000; index += 1) note(`address ${index}`);
  for (let index = 0; index < 5000; index += 1) note('address 1');
  await refusals.write();
  assert.equal(written.length, 1001);
  const counted = () => written.reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted(), 10_000);
  assert.equal(written.find(({ address }) => address === 'address 1')?.count, 5001);
  // A second later there is room for one more; of what is beyond that the next minute tells.
  now = 1000;
  await refusals.write();
  for (let index = 0; index < 100; index += 1) note(`another ${index}`);
  await refusals.write();
  assert.equal(written.length, 1002);
  now = 70_000;
  await refusals.write();
  assert.equal(counted(), 10_100);
});
