import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { openPostgres } from '../../storage/catalog/postgres/open-postgres.ts';
import { describeGarbage } from '../contract/garbage.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { startPostgres } from '../support/postgres.ts';
import { waitUntil } from '../support/wait-until.ts';

const postgres = await startPostgres({ after });

describeGarbage('the PostgreSQL catalog', async () => {
  const knex = await openPostgres(await postgres.createDatabase());
  return { knex, catalog: await openCatalog(knex) };
});

test('a member that is there after its index was pushed stays, whatever a sweep was about to do', async (t) => {
  const knex = await openPostgres(await postgres.createDatabase());
  const catalog = await openCatalog(knex);
  defer(t, () => catalog.close());
  const put = (name: string, mediaType: string, members: readonly string[], tags: readonly string[]) =>
    catalog.manifests.put(
      'app',
      {
        blob: { digest: digestOf(name), size: name.length, location: `somewhere/${name}` },
        mediaType,
        references: members.map((member) => ({ kind: 'manifest', digest: digestOf(member) })),
      },
      { tags, requireManifests: false },
    );
  const isThere = async () => (await catalog.manifests.findByDigest('app', digestOf('member'))) !== undefined;
  await put('member', MEDIA_TYPES.ociManifest, [], []);
  const lease = { name: 'gc', holder: 'test' };
  assert.ok(await catalog.garbage.takeLease(lease, 600_000));

  // The sweep has seen that nothing refers to the member, and waits for its link.
  const blocker = await knex.transaction();
  await blocker('blob_links')
    .where({ digest: digestOf('member') })
    .forUpdate()
    .select('digest');
  const swept = catalog.garbage.sweepManifests({ lease, limit: 100 }, new Date(Date.now() + 60_000));
  await waitUntil('the sweep waits', async () => {
    const { rows } = await knex.raw('select 1 from pg_locks where not granted');
    return rows.length > 0;
  });
  await put('index', MEDIA_TYPES.ociIndex, ['member'], ['1']);
  assert.ok(await isThere());
  await blocker.rollback();
  assert.deepEqual((await swept).items, []);
  assert.ok(await isThere());
});
