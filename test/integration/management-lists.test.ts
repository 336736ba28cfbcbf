import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openDatabase } from '../../storage/catalog/database.ts';
import { loadOf } from '../support/database-load.ts';
import { basicAuthorization } from '../support/http-client.ts';
import { expectError } from '../support/registry-error.ts';
import { ADMIN_PASSWORD, startRegistryWithAccounts } from '../support/registry-with-accounts.ts';

/** Of one turn of the event loop, some milliseconds: those of a request and of one job in the background, which may be due. */
const MOST_ROWS = 1100 + 500;

const registry = await startRegistryWithAccounts({ after });
const admin = basicAuthorization('admin', ADMIN_PASSWORD);
const ada = await registry.addUser('ada', { 'team/*': 'admin' });
const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
after(() => knex.destroy());

function get(path: string, authorization = admin) {
  return registry.send('GET', `/api/v1${path}`, { headers: { authorization } });
}

function change(method: string, path: string, body: object, authorization = admin) {
  const headers = { authorization, 'Content-Type': 'application/json' };
  return registry.send(method, `/api/v1${path}`, { headers, body: JSON.stringify(body) });
}

/** All entries of a list, read page by page. Fails when a turn of the event loop works on many rows. */
async function all(t: Parameters<typeof loadOf>[0], path: string, authorization = admin) {
  const [list = ''] = path.slice(1).split('?');
  const entries: Record<string, unknown>[] = [];
  let pages = 0;
  const load = await loadOf(t, async () => {
    for (let next: string | null = ''; next !== null; pages += 1) {
      const answer = await get(
        next === '' ? path : `${path}${path.includes('?') ? '&' : '?'}after=${next}`,
        authorization,
      );
      assert.equal(answer.status, 200, answer.body.toString());
      const page = JSON.parse(answer.body.toString());
      assert.ok(page[list].length <= 1000);
      entries.push(...page[list]);
      next = page.next;
    }
  });
  assert.ok(load.mostRowsInATurn <= MOST_ROWS, `${path}: ${load.mostRowsInATurn} rows in a turn`);
  return { entries, pages };
}

/** Inserts ten thousand rows; `i` counts them. */
async function insert(table: string, columns: Readonly<Record<string, string>>): Promise<void> {
  await knex.raw(
    `insert into ${table} (${Object.keys(columns)})
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 10000)
      select ${Object.values(columns)} from n`,
  );
}

test('ten thousand people, teams and members are shown in pages', async (t) => {
  await insert('accounts', {
    name: "printf('u%05d', i)",
    password_hash: "''",
    admin: '0',
    created_at: "'2026-01-01T00:00:00.000Z'",
  });
  await insert('teams', { name: "printf('t%05d', i)", created_at: "'2026-01-01T00:00:00.000Z'" });
  await insert('team_members', { team: "'t00001'", account: "printf('u%05d', i)" });
  const users = await all(t, '/users');
  assert.equal(new Set(users.entries.map(({ name }) => name)).size, 10_002);
  assert.ok(users.pages >= 10);
  const teams = await all(t, '/teams');
  assert.equal(teams.entries.length, 10_000);
  assert.deepEqual(
    teams.entries.slice(0, 2).map(({ members }) => (members as string[]).length),
    [10_000, 0],
  );
  await t.test('one of the teams', async () => {
    const load = await loadOf(t, () => get('/teams/t00001'));
    assert.ok(load.mostRowsInATurn <= MOST_ROWS, `${load.mostRowsInATurn} rows in a turn`);
  });
});

test('of ten thousand roles everybody is shown those that they may change, in pages', async (t) => {
  await insert('role_grants', {
    holder_kind: "'user'",
    holder_name: "'u00001'",
    pattern: "case i % 100 when 0 then 'team/r' else 'other/r' end || i",
    role: "'reader'",
  });
  const shown = await all(t, '/grants', ada);
  assert.equal(new Set(shown.entries.map(({ pattern }) => pattern)).size, 101);
  const everything = await all(t, '/grants');
  assert.equal(everything.entries.length, 10_001);
  const few = JSON.parse((await get('/grants?limit=2', ada)).body.toString());
  assert.equal(few.grants.length, 2);
  const more = JSON.parse((await get(`/grants?limit=2&after=${few.next}`, ada)).body.toString());
  assert.notDeepEqual(more.grants, few.grants);
});

test('ten thousand tokens and robots are shown in pages', async (t) => {
  for (const kind of ['personal', 'robot']) {
    await insert('credentials', {
      id: `'${kind}' || i`,
      kind: `'${kind}'`,
      name: kind === 'robot' ? "'u00002+r' || i" : "'the same'",
      login_name: kind === 'robot' ? "'u00002+r' || i" : 'null',
      owner_kind: "'user'",
      owner_name: "'u00002'",
      secret_hash: `'${kind}' || i`,
      created_at: "'2026-01-01T00:00:00.000Z'",
    });
  }
  const tokens = await all(t, '/tokens?user=u00002');
  assert.equal(new Set(tokens.entries.map(({ id }) => id)).size, 10_000);
  assert.equal((await all(t, '/robots')).entries.length, 10_000);
  const load = await loadOf(t, async () => {
    assert.deepEqual(JSON.parse((await get('/robots', ada)).body.toString()), { robots: [], next: null });
  });
  assert.ok(load.rows < 100, 'nobody reads the robots of others');
});

test('roles and tokens have an end', async () => {
  const roles = { holder_kind: "'public'", holder_name: "''", role: "'reader'" };
  await insert('role_grants', { ...roles, pattern: "'team/p' || i" });
  const grant = (pattern: string) =>
    change('PUT', '/grants', { holder: 'public', pattern, role: 'reader' }, ada);
  const refused = await grant('team/one-more');
  expectError(refused, 400, 'VALUE_INVALID');
  assert.match(
    refused.body.toString(),
    /there are 1000 already: grant a role on a pattern that covers several/,
  );
  assert.equal((await grant('team/p1')).status, 200, 'one that is there is changed');

  await knex('credentials').where({ kind: 'personal' }).limit(1000).update({ owner_name: 'ada' });
  const made = await change('POST', '/tokens', { name: 'one more' }, ada);
  expectError(made, 400, 'VALUE_INVALID');
});

test('rules, webhooks, providers and quotas have an end', async () => {
  await insert('tag_rules', { pattern: "'r' || i", matches: "''", tags: "'v*'", kind: "'immutable'" });
  await insert('quotas', { pattern: "'q' || i", matches: "''", bytes: '1' });
  await insert('webhooks', {
    ...{ name: "'w' || i", url: "'https://example.com'", events: "'push'", pattern: "'none'" },
    ...{ matches: "''", secret: "''", created_at: '0' },
  });
  const words = { issuer: "'https://id.example'", audience: "'berth'", claims: "'{}'", role: "'reader'" };
  await insert('job_rules', { name: "'j' || i", pattern: "'none'", ...words });
  const secrets = { client_id: "'berth'", client_secret: "'secret'", name_claim: "'name'" };
  await insert('providers', {
    ...{ name: "'p' || i", issuer: "'https://id.example/' || i", ...secrets },
    ...{ groups_claim: "'groups'", groups: "'{}'" },
  });
  const issuer = 'https://id.example';
  for (const [method, path, body] of [
    ['PUT', '/tag-rules', { pattern: 'one-more', tags: 'v*', kind: 'immutable' }],
    ['PUT', '/quotas', { pattern: 'one-more', bytes: 1 }],
    [
      'POST',
      '/webhooks',
      { name: 'more', url: 'https://8.8.8.8/', events: ['push'], pattern: 'x', secret: 'x'.repeat(32) },
    ],
    [
      'POST',
      '/rules',
      { name: 'more', issuer, audience: 'a', claims: { sub: 'x' }, role: 'reader', pattern: 'x' },
    ],
    ['POST', '/providers', { name: 'more', issuer, clientId: 'a', clientSecret: 'b' }],
  ] as const) {
    const refused = await change(method, path, body);
    expectError(refused, 400, 'VALUE_INVALID');
    assert.match(refused.body.toString(), /there are \d+ already/, path);
  }
  const changed = await change('PUT', '/tag-rules', { pattern: 'r1', tags: 'v*', kind: 'protected' });
  assert.equal(changed.status, 200, changed.body.toString());
});

test('what is no page is refused', async () => {
  const nul = Buffer.from('["a\\u0000"]').toString('base64url');
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'after=x',
    `after=${nul}`,
    'after=WzFd',
    'after=W10',
  ]) {
    expectError(await get(`/users?${query}`), 400, 'VALUE_INVALID');
  }
});
