import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../../../../server/cli/progress.ts';

function shown(isTTY: boolean, columns: number) {
  const written: string[] = [];
  let now = 0;
  const output = { isTTY, columns, write: (text: string) => written.push(text) };
  const progress = new Progress(output, () => now);
  return { progress, written, wait: (ms: number) => (now += ms) };
}

test('elsewhere than on a terminal a line each 10 seconds tells total, rate and time left', () => {
  const { progress, wait, written } = shown(false, 80);
  for (let second = 0; second < 40; second += 1) {
    progress.show('fsck', { done: second * 10_000_000, total: 2_000_000_000, unit: 'bytes' });
    wait(1_000);
  }
  progress.clear();
  assert.deepEqual(written, [
    'fsck: 100.0 MB of 2.0 GB (5 %), 10.0 MB/s, 3m 10s left\n',
    'fsck: 200.0 MB of 2.0 GB (10 %), 10.0 MB/s, 3m 0s left\n',
    'fsck: 300.0 MB of 2.0 GB (15 %), 10.0 MB/s, 2m 50s left\n',
  ]);
});

test('on a terminal one line is written over and over, never wider than the terminal', () => {
  const { progress, wait, written } = shown(true, 20);
  for (let step = 0; step < 4; step += 1) {
    progress.show('a job with a long name', { done: step, unit: 'blobs' });
    wait(125);
  }
  progress.clear();
  assert.deepEqual(written, ['\r\x1b[Ka job with a long …', '\r\x1b[Ka job with a long …', '\r\x1b[K']);
});

test('a total that turns out too small is no longer told, and a rate is of the last half minute', () => {
  const { progress, wait, written } = shown(false, 80);
  progress.show('gc', { done: 0, total: 5, unit: 'blobs' });
  for (const done of [1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_300]) {
    wait(10_000);
    progress.show('gc', { done, total: 5, unit: 'blobs' });
  }
  assert.deepEqual(written.at(0), 'gc: 1,000,000 blobs, 100,000 blobs/s\n'.replace(' blobs/s', '/s'));
  assert.deepEqual(written.at(-1), 'gc: 1,000,300 blobs, 10/s\n');
});
