import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEPT_TABLES } from '../../../server/background-work.ts';
import { openCatalog } from '../../../storage/catalog/knex-catalog.ts';
import { openTestAuthStore } from '../../support/auth-store.ts';

/** Of content, of names (which have snapshots of their own), or of what passes. */
const REBUILT = [
  ...[
    'auth_migrations',
    'catalog_migrations',
    'audit_events',
    'blob_links',
    'blobs',
    'device_logins',
    'leases',
  ],
  ...['manifest_references', 'manifests', 'name_changes', 'quota_blobs', 'quota_deltas', 'quota_grants'],
  ...['quota_use', 'repositories', 'sessions', 'signing_keys', 'tag_history', 'tags', 'uploads'],
  ...[
    'webhook_events',
    'webhook_state',
    'webhook_deliveries',
    'join_tokens',
    'host_reports',
    'repository_stats',
    'pulls',
  ],
];
/** Secrets that are no hashes, what can be found out, and what changes too often. */
const LEFT_OUT = [
  'id',
  'matches',
  'secret',
  'client_secret',
  'created_at',
  'last_used_at',
  'seen_at',
  'connection',
];

test('every table and column that a lost database would miss is kept, and none with a secret', async (t) => {
  const { database } = await openTestAuthStore(t);
  await openCatalog(database);
  const tables: readonly string[] = await database('sqlite_schema')
    .where({ type: 'table' })
    .whereNot('name', 'like', 'sqlite%')
    .pluck('name');
  for (const name of tables) {
    const kept = KEPT_TABLES.find((table) => table.name === name);
    assert.notEqual(kept === undefined, !REBUILT.includes(name), `${name} is either kept or rebuilt`);
    if (kept === undefined) continue;
    const columns = Object.keys(await database(name).columnInfo());
    for (const column of columns) {
      assert.ok(kept.columns.includes(column) || LEFT_OUT.includes(column), `${name}.${column}`);
    }
    for (const column of kept.columns) {
      assert.ok(
        columns.includes(column) && !['secret', 'client_secret'].includes(column),
        `${name}.${column}`,
      );
    }
  }
});
