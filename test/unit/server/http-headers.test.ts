import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isTheSame,
  matchesEntityTag,
  matchesStrongly,
  parseContentRange,
} from '../../../server/http/conditional.ts';
import { nextLink } from '../../../server/registry/paging.ts';
import { fc } from '../../support/properties.ts';

test('Content-Range: the form of the specification, and that of RFC 9110', () => {
  assert.deepEqual(parseContentRange('0-1023'), { start: 0, end: 1023 });
  assert.deepEqual(parseContentRange(' 5-5 '), { start: 5, end: 5 });
  assert.deepEqual(parseContentRange('bytes 10-19/200'), { start: 10, end: 19 });
  assert.deepEqual(parseContentRange('bytes 10-19/*'), { start: 10, end: 19 });
});

for (const header of [
  '',
  '-',
  '5',
  '5-',
  '-5',
  '9-5',
  'a-b',
  '0-1,2-3',
  '0x1-0x2',
  '1e3-2e3',
  '-1-5',
  `0-${'9'.repeat(20)}`,
]) {
  test(`Content-Range: "${header}" is refused`, () => {
    assert.equal(parseContentRange(header), undefined);
  });
}

test('If-None-Match: quoted, unquoted, weak, a list, everything', () => {
  for (const header of ['"sha256:aa"', 'sha256:aa', 'W/"sha256:aa"', '"x", "sha256:aa"', '*']) {
    assert.equal(matchesEntityTag(header, 'sha256:aa'), true, header);
  }
  for (const header of [undefined, '', '"sha256:ab"', 'sha256', '"']) {
    assert.equal(matchesEntityTag(header, 'sha256:aa'), false, String(header));
  }
});

test('If-Match and If-Range: strong tags alone', () => {
  for (const header of ['"sha256:aa"', 'sha256:aa', '"x", "sha256:aa"', '*']) {
    assert.equal(matchesStrongly(header, 'sha256:aa'), true, header);
  }
  for (const header of ['', 'W/"sha256:aa"', '"sha256:ab"', '"*"', 'W/*']) {
    assert.equal(matchesStrongly(header, 'sha256:aa'), false, header);
  }
  for (const header of ['"sha256:aa"', 'sha256:aa'])
    assert.equal(isTheSame(header, 'sha256:aa'), true, header);
  for (const header of ['*', 'W/"sha256:aa"', '"x", "sha256:aa"', 'Fri, 27 Nov 2026 20:00:00 GMT']) {
    assert.equal(isTheSame(header, 'sha256:aa'), false, header);
  }
});

test('a Link leads back to exactly the values that it was made of', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string(), (n, last) => {
      const match = /^<(.*)>; rel="next"$/.exec(nextLink('/v2/a/tags/list', { n: String(n), last }));
      const url = new URL(match?.[1] ?? '', 'http://registry');
      assert.equal(url.pathname, '/v2/a/tags/list');
      assert.equal(url.searchParams.get('n'), String(n));
      assert.equal(url.searchParams.get('last'), last.toWellFormed());
    }),
  );
});

test('Content-Range: what is written comes back, and what is read is a range', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (start, length) => {
      const end = start + length;
      assert.deepEqual(parseContentRange(`${start}-${end}`), { start, end });
      assert.deepEqual(parseContentRange(`bytes ${start}-${end}/${end + 1}`), { start, end });
      if (length > 0) assert.equal(parseContentRange(`${end}-${start}`), undefined);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('0', '9', '-', '/', '*', ' ', 'b', 'x') }), (text) => {
      const range = parseContentRange(text);
      assert.ok(range === undefined || (range.start >= 0 && range.start <= range.end), text);
    }),
  );
});

test('If-None-Match: a list names each of its tags, however it is written', () => {
  const tag = fc.string({ unit: fc.constantFrom('a', '0', ':'), minLength: 1 });
  fc.assert(
    fc.property(
      fc.array(tag, { minLength: 1 }),
      fc.constantFrom('"', ''),
      fc.constantFrom('', 'W/'),
      (tags, quote, weak) => {
        const header = tags.map((text) => `${weak}${quote}${text}${quote}`).join(', ');
        for (const text of tags) assert.equal(matchesEntityTag(header, text), true);
        assert.equal(matchesEntityTag(header, `${tags.join('')}x`), false);
      },
    ),
  );
});
