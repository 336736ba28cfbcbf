import type { Knex } from 'knex';
import { parseDigest } from '../../oci/digest.ts';
import type { StoredBlob } from '../blobs/blob-driver.ts';
import { TooManySettingsError } from '../errors.ts';
import type { NamePage } from './catalog.ts';

/** A row of `blobs`. PostgreSQL's driver gives 64-bit integers as text. */
export interface BlobRow {
  readonly digest: string;
  readonly size: number | string;
  readonly location: string;
}

export const BLOB_COLUMNS = ['blobs.digest', 'blobs.size', 'blobs.location'] as const;

export function blobOfRow(row: BlobRow): StoredBlob {
  return { digest: parseDigest(row.digest), size: Number(row.size), location: row.location };
}

/** Makes a page of `limit` names of a query that was asked for one more. */
export function pageOfNames(names: readonly string[], limit: number): NamePage {
  return { names: names.slice(0, limit), more: names.length > limit };
}

/** `values` in pieces that one statement can take. */
export function* batches<T>(values: readonly T[], size: number): Generator<readonly T[], void, undefined> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}

/** Each counts the events that wait for it whenever it is shown. */
const MOST_WEBHOOKS = 100;
/** Each is compared with the repository of each push. */
const MOST_RULES = 1000;

const MOST = { quotas: MOST_RULES, tag_rules: MOST_RULES, webhooks: MOST_WEBHOOKS } as const;

/** Throws TooManySettingsError when a table of settings has as many rows as there may be. */
export async function refuseBeyond(trx: Knex.Transaction, table: keyof typeof MOST): Promise<void> {
  const [row] = await trx(table).count({ count: '*' });
  if (Number(row?.count ?? 0) < MOST[table]) return;
  throw new TooManySettingsError(`there are ${MOST[table]} already: remove what is not needed any more`);
}
