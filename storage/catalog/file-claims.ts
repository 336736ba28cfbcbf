import type { Knex } from 'knex';
import { UploadUnknownError } from '../errors.ts';
import type { FileClaim } from './catalog.ts';

/**
 * Ends the transaction with UploadUnknownError when the claim on the file that it names does not hold. To be
 * called after the transaction has written, which is when SQLite keeps others from writing: a clock that was
 * read before could be of long ago when the transaction commits.
 */
export async function enforceClaim(trx: Knex.Transaction, claim: FileClaim): Promise<void> {
  if (claim.kind === 'upload') {
    if ((await trx('uploads').where({ id: claim.id }).delete()) > 0) return;
    throw new UploadUnknownError(
      'there is no such upload any more: it was cancelled, finished or left for too long',
    );
  }
  if (Date.now() <= claim.until.getTime()) return;
  throw new UploadUnknownError('storing the content has taken too long: send it again');
}
