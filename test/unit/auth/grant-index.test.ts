import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RIGHTS_ACCESS } from '../../../auth/access/access.ts';
import { GrantIndex, pullPrefixes, someGrant } from '../../../auth/access/grant-index.ts';
import { allowsScope, standingOf } from '../../../auth/access/rights.ts';
import type { Grant } from '../../../auth/access/role.ts';
import { repositoryScope } from '../../../auth/access/scope.ts';
import { matchesWildcard, wildcardPrefix } from '../../../lib/pattern/wildcard.ts';
import { fc } from '../../support/properties.ts';

const letters = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), minLength: 0, maxLength });
const grant: fc.Arbitrary<Grant> = fc.record({
  pattern: letters(8),
  actions: fc.constantFrom<Grant['actions'][]>(
    ['pull'],
    ['pull', 'push'],
    ['pull', 'push', 'delete'],
    ['push'],
  ),
});

test('an index finds the same grants as comparing each', () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 200 }), letters(12), (grants, text) => {
      const found: Grant[] = [];
      new GrantIndex(grants).some(text, (each) => {
        found.push(each);
        return false;
      });
      const expected = grants.filter(({ pattern }) => matchesWildcard(pattern, text));
      assert.equal(found.length, expected.length);
      assert.deepEqual(new Set(found), new Set(expected));
    }),
  );
});

test('many grants, and patterns with many pieces in one place, allow the same', () => {
  const many = fc.array(grant, { minLength: 100, maxLength: 600 });
  fc.assert(
    fc.property(many, letters(12), (grants, text) => {
      const expected = grants.some(
        ({ pattern, actions }) => actions.includes('push') && matchesWildcard(pattern, text),
      );
      assert.equal(
        someGrant(grants, text, ({ actions }) => actions.includes('push')),
        expected,
      );
      const pullable = grants.filter(({ actions }) => actions.includes('pull'));
      const prefixes = pullPrefixes(grants);
      assert.ok(pullable.every(({ pattern }) => prefixes.some((prefix) => pattern.startsWith(prefix))));
      assert.ok(
        prefixes.every((prefix) => pullable.some(({ pattern }) => wildcardPrefix(pattern) === prefix)),
      );
      assert.ok(prefixes.every((prefix, at) => at === 0 || !prefix.startsWith(prefixes[at - 1] ?? '')));
    }),
    { numRuns: 50 },
  );
});

for (const [kind, patternOf] of [
  ['names', (i: number) => `team${i}/app`],
  ['all below a name', (i: number) => `team${i}/*`],
  ['ends of names', (i: number) => `*/app${i}`],
  ['parts of names', (i: number) => `*part${i}*`],
  ['all of these', (i: number) => [`team${i}/app`, `team${i}/*`, `*/app${i}`, `*x${i}*-*y`][i % 4] ?? ''],
] as const) {
  test(`a request is compared with few of 10,000 grants on ${kind}`, () => {
    let looked = 0;
    const grants = Array.from({ length: 10_000 }, (_, i): Grant => {
      const pattern = patternOf(i);
      return {
        get pattern() {
          looked += 1;
          return pattern;
        },
        get actions(): Grant['actions'] {
          looked += 1;
          return ['pull'];
        },
      };
    });
    const rights = { admin: false, grants, lists: true };
    const identity = { kind: 'anonymous', rights } as const;
    const ask = () => {
      allowsScope(rights, repositoryScope('other/name', 'pull', 'push'));
      standingOf(rights, 'team9996/app');
      return RIGHTS_ACCESS.visible(identity).includes('team9996/app');
    };
    ask();
    looked = 0;
    ask();
    assert.ok(looked < 20, `${looked} looks at grants`);
  });
}
