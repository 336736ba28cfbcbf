import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { auditLines } from '../../server/audit/audit-lines.ts';
import { sumRepositories } from '../../storage/catalog/browse/browse-repositories.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { loadOf } from '../support/database-load.ts';
import { startInProcessRegistry } from '../support/in-process-registry.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../support/registry-client.ts';
import { expectError } from '../support/registry-error.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Of one turn of the event loop, some milliseconds: those of a request and of one job in the background, which may be due. */
const MOST_ROWS = 1100 + 500;
const MOST_STATEMENTS = 40;

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

function indexOf(count: number) {
  const manifests = Array.from({ length: count }, (_, index) => ({
    mediaType: OCI_MANIFEST,
    digest: digestOf(`member ${index}`),
    size: 1,
  }));
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

test('no route works on many rows in one turn of the event loop', async (t) => {
  const registry = await startInProcessRegistry(t);
  const { digest } = await registry.pushImage('team/app', '1');
  const tag = digest.replace(':', '-');
  const headers = { 'Content-Type': OCI_INDEX };
  const follow = async (path: string) => {
    let pages = 0;
    for (let next: string | undefined = path; next !== undefined; pages += 1) {
      const answer = await registry.send('GET', next);
      assert.equal(answer.status, 200);
      next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    }
    return pages;
  };
  const bounded = async (what: string, work: () => Promise<unknown>) => {
    const load = await loadOf(t, work);
    const { mostRowsInATurn, mostStatementsInATurn } = load;
    assert.ok(mostRowsInATurn <= MOST_ROWS, `${what}: ${mostRowsInATurn} rows in a turn`);
    assert.ok(mostStatementsInATurn <= MOST_STATEMENTS, `${what}: ${mostStatementsInATurn} statements`);
    return load;
  };

  await t.test('a push of an index with as many members as there may be', async () => {
    await bounded('the push', async () => {
      const pushed = await registry.send('PUT', `/v2/team/app/manifests/${tag}`, {
        body: JSON.stringify(indexOf(10_000)),
        headers,
      });
      assert.equal(pushed.status, 201, pushed.body.toString());
    });
  });

  await t.test('reading it, by tag and as a list of referrers', async () => {
    // As versions before have taken it.
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    const index = await knex('tags').where({ name: tag }).first('repository_id', 'manifest_digest');
    await knex.raw(
      `insert into manifest_references (repository_id, manifest_digest, position, kind, digest)
        with recursive n (i) as (select 10000 union all select i + 1 from n where i < 35999)
        select ?, ?, i, 'manifest', 'sha256:' || printf('%064x', i) from n`,
      [index.repository_id, index.manifest_digest],
    );
    await knex.destroy();
    const got = await bounded('the manifest', () => follow(`/v2/team/app/manifests/${tag}`));
    assert.ok(got.rows < 20, `${got.rows} rows for a manifest`);
    const first = await bounded('a page', () => registry.send('GET', `/v2/team/app/referrers/${digest}`));
    assert.ok(first.rows <= MOST_ROWS, `${first.rows} rows for a page`);
    let pages = 0;
    await bounded('all pages', async () => {
      pages = await follow(`/v2/team/app/referrers/${digest}`);
    });
    assert.ok(pages >= 36, `${pages} pages`);
  });

  await t.test('a hundred thousand tags, and a delete of what they point at', async () => {
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    const image = await knex('tags').where({ name: '1' }).first('repository_id', 'manifest_digest');
    await knex.raw(
      `insert into tags (repository_id, name, manifest_digest, updated_at)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 100000)
        select ?, 't' || i, ?, 0 from n`,
      [image.repository_id, image.manifest_digest],
    );
    await knex.destroy();
    await bounded('a page of tags', () => registry.send('GET', '/v2/team/app/tags/list?n=1000000'));
    await bounded('the delete', async () => {
      const refused = await registry.send('DELETE', `/v2/team/app/manifests/${digest}`);
      expectError(refused, 403, 'DENIED');
      assert.match(refused.body.toString(), /more than 1000 tags point at/);
    });
  });

  await t.test('a delete of a manifest that many manifests are about, and that refers to many', async () => {
    const pushed = await registry.send('PUT', '/v2/team/app/manifests/subject', {
      body: JSON.stringify({ ...indexOf(1), annotations: { is: 'a subject' } }),
      headers,
    });
    const subject = String(pushed.headers['docker-content-digest']);
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    t.after(() => knex.destroy());
    const { repository_id } = await knex('tags').where({ name: 'subject' }).first('repository_id');
    const numbers = 'with recursive n (i) as (select 1 union all select i + 1 from n where i < 5000)';
    const digests = "'sha256:' || printf('%064x', i)";
    await knex.raw(
      `insert into blobs (digest, size, location, created_at) ${numbers} select ${digests}, 1, 'x', 0 from n`,
    );
    await knex.raw(
      `insert into blob_links (repository_id, digest, created_at, touched_at, size)
        ${numbers} select ?, ${digests}, 0, 0, 1 from n`,
      [repository_id],
    );
    await knex.raw(
      `insert into manifests (repository_id, digest, media_type, subject, pushed_at)
        ${numbers} select ?, ${digests}, ?, ?, 0 from n`,
      [repository_id, OCI_MANIFEST, subject],
    );
    await knex.raw(
      `insert into manifest_references (repository_id, manifest_digest, position, kind, digest)
        ${numbers} select ?, ?, i, 'manifest', ${digests} from n`,
      [repository_id, subject],
    );
    const path = `/v2/team/app/referrers/${subject}?artifactType=none`;
    const { statements } = await bounded('a filter that finds nothing', async () => {
      assert.equal(await follow(path), 6);
    });
    assert.ok(statements >= 50, `${statements} windows`);
    await bounded('the delete', async () => {
      const deleted = await registry.send('DELETE', `/v2/team/app/manifests/${subject}`);
      assert.equal(deleted.status, 202, deleted.body.toString());
    });
    const left = await knex('blob_links').where({ repository_id, touched_at: 0 }).count({ count: '*' });
    const referring = await knex('manifest_references').where({ manifest_digest: subject }).first();
    assert.deepEqual(left, [{ count: 0 }], 'the grace of all of them begins anew');
    assert.equal(referring, undefined);
  });

  await t.test(
    'a record of who did what in which a filter finds nothing, as pages and as a stream',
    async () => {
      const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
      t.after(() => knex.destroy());
      const catalog = await openCatalog(knex);
      await knex.raw(
        `insert into audit_events (at, who, action, outcome, count)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000)
        select i, 'ada', 'push', 'done', 1 from n`,
      );
      const filter = { who: 'nobody', limit: 10 };
      for (const read of [
        () => catalog.audit.list(filter),
        () => catalog.audit.latest(filter),
        () => catalog.audit.latest({ ...filter, since: new Date(1) }),
      ]) {
        const { statements } = await bounded('a page', async () => assert.deepEqual(await read(), []));
        assert.ok(statements >= 50, `${statements} windows`);
      }
      const stopping = new AbortController();
      await assert.rejects(catalog.audit.list(filter, AbortSignal.abort()), { name: 'AbortError' });
      const looks = t.mock.method(catalog.audit, 'window');
      const lines = auditLines(catalog.audit, { who: 'nobody' }, stopping.signal, async () => false);
      await bounded('the stream', async () => {
        const first = lines.next();
        await waitUntil('the stream has looked for new events', () => looks.mock.callCount() > 53);
        stopping.abort();
        assert.equal((await first).done, true);
      });
      assert.ok(looks.mock.callCount() < 60, 'it goes on where it has looked before');
    },
  );

  await t.test('a search and a catalog of fifty thousand repositories that has nothing', async () => {
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    await knex.raw(
      `insert into repositories (name, created_at)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000)
        select 'many/r' || i, 0 from n`,
    );
    await knex.destroy();
    const { statements } = await bounded('the search', () => registry.send('GET', '/v1/search?q=nowhere'));
    assert.ok(statements >= 50, `${statements} windows`);
    await bounded('the catalog', () => registry.send('GET', '/v2/_catalog'));
  });

  await t.test('a search that finds more than it shows, and names that many patterns fit', async () => {
    const knex = await openDatabase({ file: join(registry.data, 'catalog.sqlite') });
    t.after(() => knex.destroy());
    await knex.raw(
      `insert into blob_links (repository_id, digest, created_at, touched_at, size)
        select r.id, ?, 0, 0, 1 from repositories r where r.name like 'many/%'`,
      [digest],
    );
    await knex.raw(
      `insert into manifests (repository_id, digest, media_type, pushed_at)
        select r.id, ?, ?, 0 from repositories r where r.name like 'many/%'`,
      [digest, OCI_MANIFEST],
    );
    await bounded('the search', async () => {
      const found = JSON.parse((await registry.send('GET', '/v1/search?q=many')).body.toString());
      assert.equal(found.num_results, 10_000);
    });
    const patterns = Array.from({ length: 10 }, (_, index) => `*/${index}*`);
    const { statements } = await bounded('the names', async () => {
      const sum = await sumRepositories(knex, { patterns: [patterns], includes: () => false });
      assert.deepEqual(sum, { repositories: 0, size: 0 });
    });
    assert.ok(statements >= 50, `${statements} windows`);
  });
});

test('a manifest of more values or references than can be read in a moment is refused', async (t) => {
  const registry = await startInProcessRegistry(t);
  const put = (body: string) =>
    registry.send('PUT', '/v2/team/app/manifests/1', { body, headers: { 'Content-Type': OCI_INDEX } });
  const many = await put(JSON.stringify(indexOf(10_001)));
  expectError(many, 400, 'MANIFEST_INVALID');
  assert.match(many.body.toString(), /refers to 10001 others/);
  const values = await put(`{"schemaVersion":2,"manifests":[],"x":[${'0,'.repeat(1_000_000)}0]}`);
  expectError(values, 400, 'MANIFEST_INVALID');
  assert.match(values.body.toString(), /too many values/);
  // What lies in a string is one value.
  const annotations = { list: `"${'[{,:'.repeat(900_000)}`.slice(0, 3_900_000) };
  const one = await put(JSON.stringify({ ...indexOf(0), annotations }));
  assert.equal(one.status, 201, one.body.toString());
});
