import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RIGHTS_ACCESS } from '../../../auth/access/access.ts';
import type { Grant } from '../../../auth/access/role.ts';
import { matchesWildcard } from '../../../lib/pattern/wildcard.ts';
import { listVisible } from '../../../server/registry/lists.ts';
import type { NamePage, Page } from '../../../storage/catalog/catalog.ts';
import { fc } from '../../support/properties.ts';

function visibleBy(patterns: readonly string[]) {
  const grants = patterns.map((pattern): Grant => ({ pattern, actions: ['pull'] }));
  return RIGHTS_ACCESS.visible({ kind: 'anonymous', rights: { admin: false, grants, lists: true } });
}

function repositoriesOf(names: readonly string[]) {
  const sorted = [...new Set(names)].sort();
  let queries = 0;
  return {
    queries: () => queries,
    list: async ({ limit, after }: Page): Promise<NamePage> => {
      queries += 1;
      const following = sorted.filter((name) => after === undefined || name > after);
      return { names: following.slice(0, limit), more: following.length > limit };
    },
  };
}

const { signal } = new AbortController();

test('pages hold all that may be seen, in order, and nothing else', async () => {
  const text = (unit: string) => fc.string({ unit: fc.constantFrom(...unit), minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(text('ab-/'), { maxLength: 150 }),
      fc.array(text('ab-/*'), { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      async (names, patterns, limit) => {
        const repositories = repositoriesOf(names);
        const seen: string[] = [];
        let page: NamePage = { names: [], more: true };
        while (page.more) {
          const after = seen.at(-1);
          page = await listVisible(
            repositories,
            visibleBy(patterns),
            { limit, ...(after !== undefined && { after }) },
            signal,
          );
          seen.push(...page.names);
        }
        const allowed = (name: string) => patterns.some((pattern) => matchesWildcard(pattern, name));
        assert.deepEqual(seen, [...new Set(names)].filter(allowed).sort());
      },
    ),
  );
});

test('ten thousand roles on repositories that do not exist cost no query each', async () => {
  const names = Array.from({ length: 300 }, (_, i) => `p${String(i).padStart(5, '0')}5/app`);
  const repositories = repositoriesOf(names);
  const patterns = Array.from({ length: 10_000 }, (_, i) => `p${String(i).padStart(5, '0')}/app`);
  const page = await listVisible(repositories, visibleBy(patterns), { limit: 100 }, signal);
  assert.deepEqual(page, { names: [], more: false });
  assert.ok(repositories.queries() < 10, `${repositories.queries()} queries`);
});

test('a page looks at names that nobody may see in pieces', async () => {
  const names = Array.from({ length: 50_000 }, (_, i) => `r${String(i).padStart(5, '0')}`);
  let looked = 0;
  let inThisTurn = 0;
  let most = 0;
  const visible = {
    ...visibleBy(['*/app']),
    includes: () => {
      looked += 1;
      inThisTurn += 1;
      most = Math.max(most, inThisTurn);
      return false;
    },
  };
  const list = async ({ limit, after }: Page): Promise<NamePage> => {
    const from = after === undefined ? 0 : Number(after.slice(1)) + 1;
    return { names: names.slice(from, from + limit), more: from + limit < names.length };
  };
  let ended = false;
  const followTurns = () => {
    inThisTurn = 0;
    if (!ended) setImmediate(followTurns);
  };
  followTurns();
  const page = await listVisible({ list }, visible, { limit: 100 }, signal);
  ended = true;
  assert.deepEqual(page, { names: [], more: false });
  assert.equal(looked, names.length);
  assert.ok(most <= 1200, `${most} names in a turn`);
});
