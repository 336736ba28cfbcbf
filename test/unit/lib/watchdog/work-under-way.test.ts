import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { followRequest, WorkUnderWay } from '../../../../lib/watchdog/work-under-way.ts';

const namesIn = (work: WorkUnderWay) =>
  new WorkUnderWay(work.memory)
    .list()
    .map(({ name }) => name)
    .sort();

test('another instance reads the names of what has not ended', () => {
  const work = new WorkUnderWay();
  const first = work.begin('first');
  work.begin('second');
  assert.deepEqual(namesIn(work), ['first', 'second']);
  work.end(first);
  work.end(first);
  assert.deepEqual(namesIn(work), ['second']);
});

test('of more than it can hold it has the latest, and the end of older work takes nothing away', () => {
  const work = new WorkUnderWay();
  const old = Array.from({ length: 200 }, (_, index) => work.begin(`old ${index}`));
  const late = Array.from({ length: 10 }, (_, index) => work.begin(`late ${index}`));
  for (const ticket of old) work.end(ticket);
  assert.deepEqual(
    namesIn(work),
    Array.from({ length: 10 }, (_, index) => `late ${index}`),
  );
  for (const ticket of late) work.end(ticket);
  assert.deepEqual(namesIn(work), []);
});

test('a request is named without its query until its answer closes; a long name is cut', () => {
  const work = new WorkUnderWay();
  const answer = new EventEmitter();
  followRequest(work, { method: 'GET', url: '/v2/team/app/tags/list?token=secret' }, answer);
  const endless = new EventEmitter();
  followRequest(work, { method: 'GET', url: `/${'x'.repeat(100_000)}` }, endless);
  assert.deepEqual(namesIn(work), ['GET /v2/team/app/tags/list', `GET /${'x'.repeat(241)}`]);
  answer.emit('close');
  endless.emit('close');
  assert.deepEqual(namesIn(work), []);
});
