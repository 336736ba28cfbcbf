import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Knex } from 'knex';
import { parseDigest } from '../../oci/digest.ts';
import type { BrowseCatalog } from '../../storage/catalog/browse/browse-catalog.ts';
import { KnexBrowse } from '../../storage/catalog/browse/knex-browse.ts';
import { isPostgres } from '../../storage/catalog/rows.ts';
import type { BrowseHarness } from './browse.ts';

const REPOSITORIES = 2000;
const TAGS = 8000;
const ALL = { patterns: [], includes: () => true };
const SOME = { patterns: [['team/1*', 'team/2*'], ['*']], includes: () => true };

/** Tables that grow with the registry. */
const LARGE = [
  ...['tags', 'manifests', 'manifest_references', 'blob_links', 'blobs', 'tag_history', 'repository_stats'],
  ...['repositories', 'pulls', 'release_images'],
];

const digestSql = (number: string) =>
  `'sha256:' || substr('${'0'.repeat(64)}', 1, 64 - length(cast(${number} as text))) || cast(${number} as text)`;

/** One repository with TAGS tags, and as many others as make REPOSITORIES. */
async function fill(knex: Knex): Promise<void> {
  const numbers = (count: number) =>
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count})`;
  const repositories = numbers(REPOSITORIES);
  const tags = numbers(TAGS + REPOSITORIES);
  const owner = `case when i <= ${TAGS} then 1 else i - ${TAGS} end`;
  const statements = [
    `insert into repositories (id, name, created_at) ${repositories} select i, 'team/' || i, 1 from n`,
    `insert into blobs (digest, size, location, created_at) ${tags} select ${digestSql('i')}, 10, 'x', 1 from n`,
    `insert into blobs (digest, size, location, created_at) ${tags} select ${digestSql('i + 1000000')}, 10, 'x', 1 from n`,
    ...['i', 'i + 1000000'].map(
      (number) => `insert into blob_links (repository_id, digest, created_at, touched_at, size) ${tags}
        select ${owner}, ${digestSql(number)}, 1, 1, 10 from n`,
    ),
    `insert into manifests (repository_id, digest, media_type, pushed_at) ${tags}
      select ${owner}, ${digestSql('i')}, 'application/vnd.oci.image.manifest.v1+json', i from n`,
    `insert into manifest_references (repository_id, manifest_digest, position, kind, digest) ${tags}
      select ${owner}, ${digestSql('i')}, 0, 'layer', ${digestSql('i + 1000000')} from n`,
    `insert into tags (repository_id, name, manifest_digest, updated_at) ${tags}
      select ${owner}, 'v' || i, ${digestSql('i')}, i from n`,
    `insert into tag_history (repository_id, name, manifest_digest, changed_at) ${tags}
      select ${owner}, 'v' || i, ${digestSql('i')}, i from n`,
  ];
  for (const statement of statements) await knex.raw(statement);
}

const first = parseDigest(`sha256:${'0'.repeat(63)}1`);

/** Each question, and the most statements that it may take on SQLite. */
const QUESTIONS: Readonly<
  Record<string, readonly [statements: number, ask: (browse: BrowseCatalog) => unknown]>
> = {
  'repositories by name': [1, (b) => b.repositories({ visible: ALL, sort: 'name', limit: 50 })],
  'the next page by size': [
    1,
    (b) => b.repositories({ visible: ALL, sort: 'size', limit: 50, after: [20, 'team/7'] }),
  ],
  'repositories by push': [1, (b) => b.repositories({ visible: ALL, sort: 'pushed', limit: 50 })],
  'repositories by pull': [1, (b) => b.repositories({ visible: ALL, sort: 'pulled', limit: 50 })],
  'some repositories by size': [1, (b) => b.repositories({ visible: SOME, sort: 'size', limit: 50 })],
  'a repository': [3, (b) => b.repository('team/1')],
  'tags by name': [2, (b) => b.tags('team/1', { sort: 'name', limit: 50 })],
  'the next page of tags by name': [
    2,
    (b) => b.tags('team/1', { sort: 'name', limit: 50, after: ['v4000'] }),
  ],
  'tags by time': [2, (b) => b.tags('team/1', { sort: 'time', limit: 50, after: [4000, 'v4000'] })],
  'tags with a text': [2, (b) => b.tags('team/1', { sort: 'name', limit: 50, search: '99' })],
  'tags of all repositories': [1, (b) => b.findTags({ visible: ALL, prefix: 'v99', limit: 50 })],
  'the next page of them': [
    1,
    (b) => b.findTags({ visible: ALL, prefix: 'v', limit: 50, after: ['team/1', 'v4000'] }),
  ],
  'tags of all repositories that begin alike nowhere': [
    1,
    (b) => b.findTags({ visible: ALL, prefix: 'w', limit: 50 }),
  ],
  'tags of some repositories': [1, (b) => b.findTags({ visible: SOME, prefix: 'v99', limit: 50 })],
  manifests: [2, (b) => b.manifests('team/1', { limit: 50 })],
  'the next page of manifests': [2, (b) => b.manifests('team/1', { limit: 50, after: [first] })],
  'manifests to delete first': [1, (b) => b.nextToDelete('team/1', 100)],
  'deleted tags': [2, (b) => b.deletedTags('team/1')],
  'a manifest by tag': [1, (b) => b.manifest('team/1', { tag: 'v1' })],
  referrers: [2, (b) => b.referrers('team/1', [first])],
  sharing: [1, (b) => b.sharing('team/1', first, [first], ALL)],
  'a loss': [7, (b) => b.loss('team/1', { tag: 'v1' }, { untagged: true, visible: ALL })],
};

/** Looks at the plans of all questions: none reads or sorts all of a table that grows. */
export function describeBrowsePlans(name: string, open: () => Promise<BrowseHarness>): void {
  describe(`${name}: plans of the questions of pages`, () => {
    let harness: BrowseHarness;
    const asked: { sql: string; bindings: readonly (string | number)[] }[] = [];

    before(async () => {
      harness = await open();
      await fill(harness.knex);
      const browse = new KnexBrowse(harness.knex);
      await browse.repository('team/1');
      if (isPostgres(harness.knex)) await harness.knex.raw('analyze');
      harness.knex.on('query', ({ sql, bindings }: { sql: string; bindings: readonly string[] }) => {
        asked.push({ sql, bindings });
      });
    });
    after(() => harness.close());

    for (const [question, [statements, ask]] of Object.entries(QUESTIONS)) {
      test(question, async () => {
        const { knex } = harness;
        asked.length = 0;
        await ask(new KnexBrowse(knex));
        // PostgreSQL adds up what writers have appended before.
        const queries = asked.filter(({ sql }) => !sql.includes('repository_deltas'));
        assert.ok(queries.length > 0 && queries.length <= statements, `${queries.length} statements`);
        for (const { sql, bindings } of queries) {
          const wrong = isPostgres(knex)
            ? await wrongOnPostgres(knex, sql, bindings)
            : await wrongOnSqlite(knex, sql, bindings);
          assert.deepEqual(wrong, [], sql);
        }
      });
    }
  });
}

async function wrongOnSqlite(
  knex: Knex,
  sql: string,
  bindings: readonly (string | number)[],
): Promise<readonly string[]> {
  const rows: readonly { readonly detail: string }[] = await knex.raw(`explain query plan ${sql}`, [
    ...bindings,
  ]);
  const details = rows.map(({ detail }) => detail);
  // An alias of one letter, or a table: of a list that the statement made there is nothing to say.
  const scans = details.filter(
    (detail) =>
      /^SCAN (?:[a-z]|\w+_\w+|tags|manifests|blobs|pulls|repositories)$/.test(detail) && !isMade(detail, sql),
  );
  const lists = /limit \?\s/.test(`${sql} `) && !sql.includes(' in (select name from seen');
  const sorts = lists ? details.filter((detail) => detail.includes('TEMP B-TREE FOR ORDER BY')) : [];
  return [...scans, ...sorts];
}

/** Whether the alias of a scan is one of a common table or a list. */
function isMade(detail: string, sql: string): boolean {
  const alias = detail.slice('SCAN '.length);
  return !LARGE.some(
    (table) => sql.includes(`${table} ${alias}`) || (table === alias && sql.includes(`from ${table}`)),
  );
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** The rows that were read are counted: with an average repository in mind the planner may read all of a large one. */
async function wrongOnPostgres(
  knex: Knex,
  sql: string,
  bindings: readonly (string | number)[],
): Promise<readonly string[]> {
  const { rows } = await knex.raw(`explain (analyze, format json) ${sql.replaceAll(/\$\d+/g, '?')}`, [
    ...bindings,
  ]);
  const most = /like \S+ escape '!'/.test(sql) ? 2 * TAGS : TAGS / 2;
  const wrong: string[] = [];
  const look = (node: PlanNode) => {
    const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0);
    const read = (node['Actual Rows'] + removed) * node['Actual Loops'];
    if (read > most) wrong.push(`${node['Node Type']} ${node['Relation Name'] ?? ''} reads ${read} rows`);
    for (const plan of node.Plans ?? []) look(plan);
  };
  look(rows[0]['QUERY PLAN'][0].Plan);
  return wrong;
}
