import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSize } from '../../../../lib/settings/parse-size.ts';

test('sizes in powers of 1000, of 1024, and by their unit', () => {
  assert.equal(parseSize('10m', 'decimal'), 10_000_000);
  assert.equal(parseSize('1.5 KB', 'decimal'), 1500);
  assert.equal(parseSize('64m', 'binary'), 64 * 2 ** 20);
  assert.equal(parseSize('1GiB', 'binary'), 2 ** 30);
  assert.equal(parseSize('1.5k', 'binary'), 1536);
  assert.equal(parseSize('500MB', 'exact'), 500_000_000);
  assert.equal(parseSize('20GiB', 'exact'), 20 * 2 ** 30);
  for (const syntax of ['decimal', 'binary', 'exact'] as const) assert.equal(parseSize('4096', syntax), 4096);
});

test('texts that are no size', () => {
  for (const text of ['', 'm', '-1', '1x', '10 mm', '1.5.5k']) {
    for (const syntax of ['decimal', 'binary', 'exact'] as const) {
      assert.equal(parseSize(text, syntax), undefined, `${text} ${syntax}`);
    }
  }
  assert.equal(parseSize('10MiB', 'decimal'), undefined);
  assert.equal(parseSize('1p', 'binary'), undefined);
  for (const text of ['20G', '20gib', '1.5GiB', '20 GiB'])
    assert.equal(parseSize(text, 'exact'), undefined, text);
});
