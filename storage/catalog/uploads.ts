import type { Knex } from 'knex';
import type { DriverUpload } from '../blobs/blob-driver.ts';
import { TooManyUploadsError, UploadBusyError, UploadUnknownError } from '../errors.ts';
import type { UploadCatalog, UploadRecord } from './catalog.ts';
import { inStatement, inTransaction } from './transaction.ts';

interface UploadRow {
  readonly id: string;
  readonly repository: string;
  readonly size: number | string;
  readonly detail: string;
  readonly started_at: number | string;
  readonly touched_at: number | string;
}

/** No request waits for the device: after a power cut a client queries the state of its upload, or starts again. */
const UNSYNCED = { durable: false };

/** Maximum unfinished uploads of an account: a push has five at a time, and a killed one leaves them for a day. */
const MOST_OF_AN_ACCOUNT = 1000;
const MOST_OF_NOBODY = 10_000;

/** Uploads that have begun and not ended. */
export class KnexUploads implements UploadCatalog {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async create(repository: string, upload: DriverUpload, account = ''): Promise<void> {
    await this.#refuseTooMany(account);
    const now = Date.now();
    const row = { ...upload, repository, account, started_at: now, touched_at: now };
    await inTransaction(this.#knex, async (trx) => trx('uploads').insert(row), UNSYNCED);
  }

  /** Outside the transaction: a few more are harmless, and this avoids conflicts. */
  async #refuseTooMany(account: string): Promise<void> {
    const most = account === '' ? MOST_OF_NOBODY : MOST_OF_AN_ACCOUNT;
    const beyond = await this.#knex('uploads')
      .where({ account })
      .offset(most - 1)
      .limit(1)
      .first('id');
    if (beyond === undefined) return;
    throw new TooManyUploadsError(
      `${account === '' ? 'clients without a login have' : `${account} has`} ${most} unfinished uploads, the most ` +
        'allowed: finish or cancel some, or wait until they are dropped, a day after their last use',
    );
  }

  async find(repository: string, id: string): Promise<UploadRecord | undefined> {
    const row = await this.#knex('uploads').where({ id, repository }).first();
    return row === undefined ? undefined : recordOfRow(row);
  }

  async update(upload: DriverUpload, expectedSize: number): Promise<void> {
    const { id, size, detail } = upload;
    const row = { size, detail, touched_at: Date.now() };
    const updated = await inStatement(
      this.#knex,
      () => this.#knex('uploads').where({ id, size: expectedSize }).update(row),
      UNSYNCED,
    );
    if (updated > 0) return;
    const present = await this.#knex('uploads').where({ id }).first('size');
    if (present === undefined) throw new UploadUnknownError(`there is no upload ${id}`);
    throw new UploadBusyError(
      `the upload ${id} has ${present.size} bytes instead of ${expectedSize}: another request has changed it`,
    );
  }

  async delete(id: string): Promise<boolean> {
    return (await inStatement(this.#knex, () => this.#knex('uploads').where({ id }).delete())) > 0;
  }

  async listIdle(before: Date, limit: number): Promise<readonly UploadRecord[]> {
    const rows: readonly UploadRow[] = await this.#knex('uploads')
      .where('touched_at', '<', before.getTime())
      .orderBy('touched_at')
      .limit(limit);
    return rows.map(recordOfRow);
  }

  deleteIdle(ids: readonly string[], before: Date): Promise<ReadonlySet<string>> {
    return inTransaction(this.#knex, async (trx) => {
      const idle = await trx('uploads')
        .whereIn('id', [...ids])
        .andWhere('touched_at', '<', before.getTime())
        .pluck('id');
      await trx('uploads').whereIn('id', idle).delete();
      return new Set<string>(idle);
    });
  }
}

function recordOfRow(row: UploadRow): UploadRecord {
  return {
    repository: row.repository,
    upload: { id: row.id, size: Number(row.size), detail: row.detail },
    startedAt: new Date(Number(row.started_at)),
    touchedAt: new Date(Number(row.touched_at)),
  };
}
