import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvLine } from '../../../server/page/csv.ts';

test('a line of CSV holds whatever its cells hold', () => {
  assert.equal(csvLine(['a', 1, undefined, '']), 'a,1,,\r\n');
  assert.equal(csvLine(['a,b', 'say "yes"', 'two\nlines']), '"a,b","say ""yes""","two\nlines"\r\n');
});

test('no cell is a formula', () => {
  for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1']) {
    assert.match(csvLine([text]), /^"?'/, JSON.stringify(text));
  }
});
