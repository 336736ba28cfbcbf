import type { MigrationList } from './migrate.ts';
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

/** The steps of the catalog's tables. */
export const CATALOG_MIGRATIONS: MigrationList = {
  table: 'catalog_migrations',
  steps: [
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
  ],
};
