import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AppReport } from '../../../../fleet/report.ts';
import type { Peer } from '../../../../runtime-agent/fleet/connection.ts';
import { ReportQueue } from '../../../../runtime-agent/fleet/report-queue.ts';

const PHASES = ['starting', 'healthy'] as const;

/** A queue whose messages are counted; `change` makes its report another one. */
function connected(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const queue = new ReportQueue();
  const sent: string[] = [];
  const peer: Pick<Peer, 'report'> = {
    report: ({ reports }) => sent.push(...reports.map(({ phase }) => phase)),
  };
  queue.setPeer(peer as Peer);
  t.after(() => queue.close());
  let changes = 0;
  return {
    sent,
    change: () => {
      changes += 1;
      queue.set({ app: 'team/shop', attempt: changes, phase: PHASES[changes % 2] } as AppReport);
    },
    pass: (milliseconds: number) => {
      now += milliseconds;
      t.mock.timers.tick(milliseconds);
    },
  };
}

test('changes that follow each other are told at once, and then four times a second', (t) => {
  const { sent, change, pass } = connected(t);
  for (let step = 0; step < 100; step += 1) {
    change();
    pass(10);
  }
  // Eight at once, and one each 250 ms of the second.
  assert.equal(sent.length, 11);
  pass(10_000);
  assert.equal(sent.at(-1), 'starting', 'the last state is told');
});

test('changes of one moment are one message', (t) => {
  const { sent, change, pass } = connected(t);
  change();
  change();
  change();
  pass(1);
  assert.deepEqual(sent, ['healthy']);
});
