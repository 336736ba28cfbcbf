import type { Knex } from 'knex';
import { LeaseLostError } from '../errors.ts';
import { sharedNow } from './dialect.ts';
import type { Lease } from './garbage-catalog.ts';

/** Takes a lease that is free, has run out or is the caller's already; false when somebody else holds it. */
export async function takeLease(
  trx: Knex.Transaction,
  { name, holder }: Lease,
  milliseconds: number,
): Promise<boolean> {
  const now = sharedNow(trx);
  const expires_at = trx.raw('? + ?', [now, milliseconds]);
  const renewed = await trx('leases')
    .where({ name })
    .where((mine) => mine.where({ holder }).orWhere('expires_at', '<=', now))
    .update({ holder, expires_at });
  if (renewed > 0) return true;
  await trx('leases').insert({ name, holder, expires_at }).onConflict('name').ignore();
  return (await trx('leases').where({ name, holder }).first('name')) !== undefined;
}

/**
 * Makes the transaction one that only the holder of a lease commits. It writes, so that in SQLite nobody else
 * writes between what the transaction reads from then on and its end. Throws LeaseLostError.
 */
export async function enforceLease(trx: Knex.Transaction, { name, holder }: Lease): Promise<void> {
  const held = await trx('leases').where({ name, holder }).update({ holder });
  if (held === 0) throw new LeaseLostError(name);
}
