import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitTable } from '../../../../lib/terminal/fit-table.ts';

const HEAD = ['REPOSITORY', 'TAGS', 'SIZE'];
const ROWS = [
  ['team/application-with-a-long-name', '12', '1.5 GB'],
  ['mine/app', '1', '534 B'],
];

test('without a width nothing is cut', () => {
  assert.deepEqual(fitTable(HEAD, ROWS), [
    'REPOSITORY                         TAGS  SIZE',
    'team/application-with-a-long-name  12    1.5 GB',
    'mine/app                           1     534 B',
  ]);
  assert.deepEqual(fitTable(HEAD, []), ['REPOSITORY  TAGS  SIZE']);
});

test('the widest column is cut to the width', () => {
  assert.deepEqual(fitTable(HEAD, ROWS, 30), [
    'REPOSITORY        TAGS  SIZE',
    'team/applicatio…  12    1.5 GB',
    'mine/app          1     534 B',
  ]);
});

test('on a terminal of 20 columns each row is a block, and nothing is lost', () => {
  const lines = fitTable(HEAD, ROWS, 20);
  assert.ok(
    lines.every((line) => line.length <= 20),
    lines.join('\n'),
  );
  assert.deepEqual(lines, [
    'REPOSITORY team/appl',
    '           ication-w',
    '           ith-a-lon',
    '           g-name',
    'TAGS       12',
    'SIZE       1.5 GB',
    '',
    'REPOSITORY mine/app',
    'TAGS       1',
    'SIZE       534 B',
  ]);
});

test('no width makes a line longer than it', () => {
  for (let width = 12; width < 60; width += 1) {
    for (const line of fitTable(HEAD, ROWS, width)) assert.ok(line.length <= width, `${width}: ${line}`);
  }
});
