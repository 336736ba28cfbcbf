import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MOST_CREDENTIALS, MOST_ROLES, MOST_RULES, type RowPage } from '../../auth/auth-database.ts';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { Credential } from '../../auth/credentials/credential-store.ts';
import { SettingInvalidError } from '../../auth/errors.ts';

const createdAt = new Date('2026-01-02T03:04:05.678Z');
const ADA = { kind: 'user', name: 'ada' } as const;
const account = (name: string) => ({ name, passwordHash: undefined, admin: false, createdAt });

/** Names that sort in another order by bytes than by the rules of a language. */
const NAMES = ['a', 'a-b', 'ab', 'a.b', 'a_b', 'a@b', 'aa', 'b', 'b-1', 'b1', 'b10', 'b2', 'co-op', 'coop'];
const WORDS = [
  'Zoë',
  'Zoe',
  'zoe',
  'zoe\u0308',
  'Ä',
  'ä',
  'ae',
  'ß',
  'ss',
  'é',
  'e',
  '\u{1f600}',
  '\uff5e',
  ' ',
  '-',
  'x',
];

interface List<Entry> {
  readonly name: string;
  fill(store: AuthStore): Promise<void>;
  read(store: AuthStore, page?: RowPage): Promise<readonly Entry[]>;
  keyOf(entry: Entry): readonly string[];
  remove(store: AuthStore, entry: Entry): Promise<unknown>;
}

function list<Entry>(each: List<Entry>): List<unknown> {
  return each as List<unknown>;
}

const credentialsOf = (kind: Credential['kind'], of: 'one owner' | 'all') =>
  list<Credential>({
    name: `credentials of ${of}: ${kind}`,
    fill: async ({ credentials, teams }) => {
      await teams.create('ops');
      const names = kind === 'robot' ? NAMES.map((name) => `ada+${name}`) : WORDS;
      // Of the same name and time: the id alone tells them apart.
      const ids = kind === 'robot' ? [''] : ['', 'X', 'x', '-'];
      for (const name of names) {
        for (const end of ids) {
          const id = `${kind} ${name}${end}`;
          await credentials.create({ id, kind, name, owner: ADA, secretHash: `of ${id}`, createdAt });
        }
      }
      const id = `${kind} ops+robot`;
      const owner = { kind: 'team', name: 'ops' } as const;
      await credentials.create({ id, kind, name: 'ops+robot', owner, secretHash: id, createdAt });
    },
    read: ({ credentials }, page) => credentials.list(kind, of === 'all' ? undefined : ADA, page),
    keyOf: (entry) => [entry.name, entry.createdAt.toISOString(), entry.id],
    remove: ({ credentials }, { id }) => credentials.remove(id),
  });

const LISTS: readonly List<unknown>[] = [
  list({
    name: 'accounts',
    fill: async ({ accounts }) => {
      for (const name of NAMES) await accounts.create(account(name));
    },
    read: ({ accounts }, page) => accounts.list(page),
    keyOf: ({ name }) => [name],
    remove: ({ accounts }, { name }) => accounts.remove(name),
  }),
  list({
    name: 'teams',
    fill: async ({ teams }) => {
      for (const name of NAMES) await teams.create(name);
      for (const name of NAMES) await teams.join(name, 'ada');
    },
    read: ({ teams }, page) => teams.list(page),
    keyOf: ({ name }) => [name],
    remove: ({ teams }, { name }) => teams.remove(name),
  }),
  list({
    name: 'roles',
    fill: async ({ accounts, roles, teams }) => {
      await accounts.create(account('a-da'));
      // A person and a team of one name, and the public, hold roles on the same patterns.
      await teams.create('ada');
      const holders = [
        ADA,
        { kind: 'user', name: 'a-da' },
        { kind: 'team', name: 'ada' },
        { kind: 'public' },
      ] as const;
      for (const holder of holders) {
        for (const pattern of ['a*', 'a-*', 'a/*', 'a.b', 'ab', '*'])
          await roles.put({ holder, pattern, role: 'reader' });
      }
    },
    read: ({ roles }, page) => roles.list(page),
    keyOf: ({ holder, pattern }) => [holder.kind, holder.kind === 'public' ? '' : holder.name, pattern],
    remove: ({ roles }, { holder, pattern }) => roles.remove(holder, pattern),
  }),
  credentialsOf('personal', 'one owner'),
  credentialsOf('personal', 'all'),
  credentialsOf('robot', 'one owner'),
  credentialsOf('robot', 'all'),
];

/** What changes between two pages. */
type Between = (page: readonly unknown[]) => Promise<unknown>;

async function pagesOf(
  each: List<unknown>,
  store: AuthStore,
  limit: number,
  between?: Between,
): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let after: readonly string[] | undefined; ; ) {
    const page = await each.read(store, { limit, ...(after && { after }) });
    assert.ok(page.length <= limit);
    found.push(...page);
    if (page.length < limit) return found;
    after = each.keyOf(page.at(-1));
    await between?.(page);
  }
}

interface Bound {
  readonly name: string;
  readonly most: number;
  add(store: AuthStore, index: number): Promise<unknown>;
  count(store: AuthStore): Promise<number>;
}

const rule = (index: number) => ({
  ...{ name: `j${index}`, issuer: 'https://id.example', audience: 'berth', claims: { sub: 'x' } },
  ...({ role: 'reader', pattern: 'x' } as const),
});
const provider = (index: number) => ({
  ...{ name: `p${index}`, issuer: `https://id.example/${index}`, clientId: 'berth', clientSecret: 'secret' },
  ...{ nameClaim: 'name', groupsClaim: 'groups', groups: {} },
});
const token = (kind: Credential['kind'], index: number) => ({
  ...{ id: `${kind}${index}`, kind, name: kind === 'robot' ? `ada+r${index}` : 'same', owner: ADA },
  ...{ secretHash: `${kind} ${index}`, createdAt },
});

const BOUNDS: readonly Bound[] = [
  {
    name: 'roles',
    most: MOST_ROLES,
    add: ({ roles }, index) => roles.put({ holder: ADA, pattern: `r${index}`, role: 'reader' }),
    count: async ({ roles }) => (await roles.heldBy(ADA)).length,
  },
  {
    name: 'personal tokens',
    most: MOST_CREDENTIALS,
    add: ({ credentials }, index) => credentials.create(token('personal', index)),
    count: async ({ credentials }) => (await credentials.list('personal')).length,
  },
  {
    name: 'robots',
    most: MOST_CREDENTIALS,
    add: ({ credentials }, index) => credentials.create(token('robot', index)),
    count: async ({ credentials }) => (await credentials.list('robot')).length,
  },
  {
    name: 'rules of jobs',
    most: MOST_RULES,
    add: ({ jobRules }, index) => jobRules.create(rule(index)),
    count: async ({ jobRules }) => (await jobRules.list()).length,
  },
  {
    name: 'providers',
    most: MOST_RULES,
    add: ({ providers }, index) => providers.create(provider(index)),
    count: async ({ providers }) => (await providers.list()).length,
  },
];

/** Entries that are added one after the other before many come at once. */
const ROOM = 4;
const AT_ONCE = 12;

/** Two stores of one empty database, as two replicas have it. */
export interface SharedAuthStores {
  readonly stores: readonly [AuthStore, AuthStore];
  /** Runs `work` in one transaction, which is quicker than one for each of its steps. */
  together(work: (store: AuthStore) => Promise<void>): Promise<void>;
}

type OpenTwo = (t: TestContext) => Promise<SharedAuthStores>;

/** What every AuthStore promises of its lists: their pages, and their greatest lengths. */
export function describeAuthLists(name: string, open: OpenTwo): void {
  describeAuthPages(name, open);
  describeAuthBounds(name, open);
}

/** What every AuthStore promises of pages, in any order that the database sorts texts by. */
export function describeAuthPages(name: string, open: OpenTwo): void {
  for (const each of LISTS) {
    test(`${name}: pages of ${each.name}`, async (t) => {
      const { stores, together } = await open(t);
      const [store, other] = stores;
      await store.accounts.create({ ...account('root'), admin: true });
      await store.accounts.create(account('ada'));
      await together((inOne) => each.fill(inOne));
      const all = await each.read(store);
      for (const limit of [1, 2, 3, 7, all.length, all.length + 1]) {
        assert.deepEqual(await pagesOf(each, store, limit), all, `pages of ${limit}`);
      }
      assert.deepEqual(await each.read(store, { limit: 5, after: each.keyOf(all.at(-1)) }), []);

      const removed = new Set<unknown>();
      const left = await pagesOf(each, store, 3, async (page) => {
        // The entry that names the page after it is gone before that page is read.
        const last = page.at(-1);
        if (each.keyOf(last).includes('root') || each.keyOf(last).join() === 'ada') return;
        await each.remove(other, last);
        removed.add(each.keyOf(last).join());
      });
      assert.deepEqual(left, all);
      assert.ok(removed.size > 1);
      const kept = all.filter((entry) => !removed.has(each.keyOf(entry).join()));
      assert.deepEqual(await pagesOf(each, store, 2), kept);
    });
  }
}

function describeAuthBounds(name: string, open: OpenTwo): void {
  for (const { name: what, most, add, count } of BOUNDS) {
    test(`${name}: many at once do not pass the bound of ${what}`, async (t) => {
      const { stores, together } = await open(t);
      const [store] = stores;
      await store.accounts.create(account('ada'));
      await together(async (inOne) => {
        for (let index = 0; index < most - ROOM; index += 1) await add(inOne, index);
      });
      const outcomes = await Promise.allSettled(
        Array.from({ length: AT_ONCE }, (_, index) => add(stores[index % 2] ?? store, most + index)),
      );
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
      assert.deepEqual(
        refused.filter(({ reason }) => !(reason instanceof SettingInvalidError)).map(({ reason }) => reason),
        [],
      );
      assert.equal(await count(store), most);
      assert.equal(refused.length, AT_ONCE - ROOM);
    });
  }
}
