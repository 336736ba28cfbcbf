import type { Knex } from 'knex';
import { parseDigest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import { TooManySettingsError } from '../errors.ts';
import type { NamePage } from './catalog.ts';

/** A row of `blobs`. PostgreSQL's driver returns 64-bit integers as text. */
export interface BlobRow {
  readonly digest: string;
  readonly size: number | string;
  readonly location: string;
}

export const BLOB_COLUMNS = ['blobs.digest', 'blobs.size', 'blobs.location'] as const;

export function blobOfRow(row: BlobRow): StoredBlob {
  return { digest: parseDigest(row.digest), size: Number(row.size), location: row.location };
}

/** Makes a page of `limit` names from a query for one more. */
export function pageOfNames(names: readonly string[], limit: number): NamePage {
  return { names: names.slice(0, limit), more: names.length > limit };
}

/** Splits `values` into pieces for one statement each. */
export function* batches<T>(values: readonly T[], size: number): Generator<readonly T[], void, undefined> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}

/** Limited because each list counts the pending events of every webhook. */
const MOST_WEBHOOKS = 100;
/** Limited because each rule is compared with the repository of each push. */
const MOST_RULES = 1000;

const MOST = { quotas: MOST_RULES, tag_rules: MOST_RULES, webhooks: MOST_WEBHOOKS } as const;

/** Throws TooManySettingsError when a table of settings has its maximum of rows. */
export async function refuseBeyond(trx: Knex.Transaction, table: keyof typeof MOST): Promise<void> {
  const [row] = await trx(table).count({ count: '*' });
  if (Number(row?.count ?? 0) < MOST[table]) return;
  throw new TooManySettingsError(`there are ${MOST[table]} already: remove those that are no longer needed`);
}

/** Reports whether this is PostgreSQL; otherwise it is SQLite. */
export function isPostgres(knex: Knex): boolean {
  return knex.client.driverName === 'pg';
}

/** Returns the time in milliseconds since 1970 by the clock that all processes of the database share. */
export function sharedNow(knex: Knex): Knex.Raw {
  return isPostgres(knex)
    ? knex.raw('(extract(epoch from clock_timestamp()) * 1000)::bigint')
    : knex.raw('?', [Date.now()]);
}

/** Longer than deadlock_timeout, after which the server makes its own vacuum give way. */
const LOCK_TIME = '3s';

/**
 * Blocks all other linking and unlinking for the rest of a transaction, whose first statement this must be, so that its
 * snapshot is taken afterwards. For transactions that read everything that pushes write, or have conflicted with pushes
 * often: otherwise they would never commit. SQLite's transactions run one after the other anyway.
 */
export async function excludeWriters(trx: Knex.Transaction): Promise<void> {
  if (!isPostgres(trx)) return;
  await trx.raw(`set local lock_timeout = '${LOCK_TIME}'`);
  await trx.raw('lock table blob_links in share row exclusive mode');
}
