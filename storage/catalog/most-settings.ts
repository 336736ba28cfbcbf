import type { Knex } from 'knex';
import { TooManySettingsError } from '../errors.ts';

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
