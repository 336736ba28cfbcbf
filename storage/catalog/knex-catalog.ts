import type { Knex } from 'knex';
import { KnexAudit } from './audit.ts';
import { KnexBlobs } from './blobs.ts';
import type { Catalog } from './catalog.ts';
import { CATALOG_MIGRATIONS } from './catalog-migrations.ts';
import { KnexCheck } from './check.ts';
import { type DatabaseOptions, openDatabase } from './database.ts';
import { KnexGarbage } from './garbage.ts';
import { KnexManifests } from './manifests.ts';
import { migrateAll } from './migrate.ts';
import { KnexNames } from './names.ts';
import { KnexQuotas } from './quotas.ts';
import { KnexRepositories } from './repositories.ts';
import { KnexTagRules } from './tag-rules.ts';
import { KnexTags } from './tags.ts';
import { KnexUploads } from './uploads.ts';
import { KnexWebhooks } from './webhooks.ts';

/** Brings the database's catalog tables up to date and opens them. The catalog's `close` also closes `knex`. */
export async function openCatalog(knex: Knex): Promise<Catalog> {
  await migrateAll(knex, [CATALOG_MIGRATIONS]);
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

/** Reports whether the database contains a catalog, of this version or another. */
export function hasCatalog(knex: Knex): Promise<boolean> {
  return knex.schema.hasTable(CATALOG_MIGRATIONS.table);
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
