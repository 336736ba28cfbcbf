import type { Knex } from 'knex';
import { KnexAudit } from './audit.ts';
import { KnexBlobs } from './blobs.ts';
import type { Catalog } from './catalog.ts';
import { KnexCheck } from './check.ts';
import { type DatabaseOptions, openDatabase } from './database.ts';
import { KnexGarbage } from './garbage.ts';
import { KnexManifests } from './manifests.ts';
import { migrate } from './migrate.ts';
import { createCatalog } from './migrations/0001-catalog.ts';
import { countNameChanges } from './migrations/0002-name-changes.ts';
import { createHistoryAndLeases } from './migrations/0003-history-and-leases.ts';
import { createGuards } from './migrations/0004-guards.ts';
import { appendQuotaUse } from './migrations/0005-quota-deltas.ts';
import { createQuotaGrants } from './migrations/0006-quota-grants.ts';
import { indexMembers } from './migrations/0007-index-members.ts';
import { accountForUploads } from './migrations/0008-open-uploads.ts';
import { createFleet } from './migrations/0009-fleet.ts';
import { createReplicaMessages } from './migrations/0010-replica-messages.ts';
import { markGoingRollouts } from './migrations/0011-going-rollouts.ts';
import { createBrowse } from './migrations/0012-browse.ts';
import { createWebhookDeliveries } from './migrations/0013-webhook-deliveries.ts';
import { KnexNames } from './names.ts';
import { KnexQuotas } from './quotas.ts';
import { KnexRepositories } from './repositories.ts';
import { KnexTagRules } from './tag-rules.ts';
import { KnexTags } from './tags.ts';
import { KnexUploads } from './uploads.ts';
import { KnexWebhooks } from './webhooks.ts';

const MIGRATIONS_TABLE = 'catalog_migrations';

/** Brings the database's catalog tables up to date and opens them. The catalog's `close` also closes `knex`. */
export async function openCatalog(knex: Knex): Promise<Catalog> {
  await migrate(knex, MIGRATIONS_TABLE, [
    createCatalog,
    countNameChanges,
    createHistoryAndLeases,
    createGuards,
    appendQuotaUse,
    createQuotaGrants,
    indexMembers,
    accountForUploads,
    createFleet,
    createReplicaMessages,
    markGoingRollouts,
    createBrowse,
    createWebhookDeliveries,
  ]);
  const quotas = new KnexQuotas(knex);
  return {
    repositories: new KnexRepositories(knex),
    blobs: new KnexBlobs(knex, quotas.grants),
    manifests: new KnexManifests(knex, quotas.grants),
    tags: new KnexTags(knex),
    uploads: new KnexUploads(knex),
    garbage: new KnexGarbage(knex),
    check: new KnexCheck(knex),
    names: new KnexNames(knex),
    audit: new KnexAudit(knex),
    webhooks: new KnexWebhooks(knex),
    tagRules: new KnexTagRules(knex),
    quotas,
    close: () => knex.destroy(),
  };
}

/** Whether a catalog has been made in the database, by this version or another. */
export function hasCatalog(knex: Knex): Promise<boolean> {
  return knex.schema.hasTable(MIGRATIONS_TABLE);
}

/** A catalog in an SQLite file of its own. */
export async function openSqliteCatalog(options: DatabaseOptions): Promise<Catalog> {
  const knex = await openDatabase(options);
  try {
    return await openCatalog(knex);
  } catch (error) {
    await knex.destroy();
    throw error;
  }
}
