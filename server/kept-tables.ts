import { KEPT_ACCOUNT_TABLES, KEPT_PROVIDERS } from '../auth/kept-tables.ts';
import { type KeptTable, RULE_TABLES } from '../storage/kept-rows/kept-table.ts';

/** What a lost database is to get back beside the names, which have snapshots of their own. */
export const KEPT_TABLES: readonly KeptTable[] = [...KEPT_ACCOUNT_TABLES, KEPT_PROVIDERS, ...RULE_TABLES];
