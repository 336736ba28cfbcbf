import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePattern } from '../../../auth/access/pattern.ts';
import { SettingInvalidError } from '../../../auth/errors.ts';
import { matchesWildcard, wildcardPrefix } from '../../../lib/pattern/wildcard.ts';
import { fc } from '../../support/properties.ts';

for (const [pattern, matching, others] of [
  ['team/app', ['team/app'], ['team/app2', 'team', 'team/app/x', 'xteam/app']],
  ['team/*', ['team/app', 'team/app/x'], ['team', 'teams/app', 'x/team/app']],
  ['*', ['team', 'team/app'], []],
  ['*/shared', ['a/shared', 'a/b/shared'], ['shared', 'a/shared2']],
  ['team/*-dev/*', ['team/a-dev/b', 'team/a/b-dev/c/d'], ['team/a-dev', 'team/dev/a']],
  ['a*b*c', ['abc', 'aXbXbc', 'abbcc'], ['ab', 'acb', 'abcd']],
] as const) {
  test(`${pattern} matches what it should`, () => {
    for (const name of matching) assert.equal(matchesWildcard(pattern, name), true, name);
    for (const name of others) assert.equal(matchesWildcard(pattern, name), false, name);
    assert.ok(matching.every((name) => name.startsWith(wildcardPrefix(pattern))));
  });
}

test('matching agrees with a regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 10 });
  fc.assert(
    fc.property(text, name, (pattern, candidate) => {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      assert.equal(matchesWildcard(pattern, candidate), expression.test(candidate));
    }),
  );
});

test('a pattern that holds another matches all that the other does', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 5 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 });
  fc.assert(
    fc.property(pattern, pattern, name, (outer, inner, candidate) => {
      fc.pre(matchesWildcard(outer, inner) && matchesWildcard(inner, candidate));
      assert.equal(matchesWildcard(outer, candidate), true);
    }),
  );
  assert.equal(matchesWildcard('team/*', 'team*'), false);
  assert.equal(matchesWildcard('team/a*', 'team/*'), false);
});

for (const text of [
  '',
  'Team/*',
  '/team',
  'team/',
  'a//b',
  '../a',
  'a/../b',
  'a**',
  'a b',
  'a:b',
  'a%',
  '-a',
  '*'.repeat(3),
  'a*b*c*d*e*f*',
  'a'.repeat(256),
]) {
  test(`${JSON.stringify(text.slice(0, 20))} is no pattern`, () => {
    assert.throws(() => parsePattern(text), SettingInvalidError);
  });
}
