import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingPolls } from '../../../../server/fleet/waiting-polls.ts';

test('requests that wait are bounded for each account and in all, and count until they end', async () => {
  const polls = new WaitingPolls(2, 3);
  const ends: (() => void)[] = [];
  const wait = (account: string) => polls.during(account, () => new Promise<void>((end) => ends.push(end)));
  const waiting = [wait('ada'), wait('ada'), wait('bob')];
  await assert.rejects(wait('ada'), { kind: 'TOO_MANY_REQUESTS' });
  await assert.rejects(wait('eve'), { kind: 'TOO_MANY_REQUESTS' });
  ends.shift()?.();
  await waiting[0];
  const next = wait('ada');
  await assert.rejects(wait('ada'), { kind: 'TOO_MANY_REQUESTS' });
  for (const end of ends) end();
  await Promise.all([...waiting, next]);
});
