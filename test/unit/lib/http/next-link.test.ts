import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextLink } from '../../../../lib/http/next-link.ts';

test('the link to the next page is found among others', () => {
  for (const [header, expected] of [
    ['</v2/a/tags/list?last=b&n=2>; rel="next"', '/v2/a/tags/list?last=b&n=2'],
    ['</next>;rel=next', '/next'],
    ['</first>; rel="first", </a,b>; title="x"; rel="next"', '/a,b'],
    ['</prev>; rel="prev"', undefined],
    ['no link; rel="next"', undefined],
    ['', undefined],
    ['<'.repeat(50_000), undefined],
    [','.repeat(50_000), undefined],
  ] as const) {
    assert.equal(nextLink(header), expected);
  }
});
