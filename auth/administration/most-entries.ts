import type { Knex } from 'knex';
import { SettingInvalidError } from '../errors.ts';

/** Roles of a person or team, or of the public: each request of theirs is compared with all of them. */
export const MOST_ROLES = 1000;
/** Personal tokens or robots of a person or team. */
export const MOST_CREDENTIALS = 1000;
/** Rules of jobs, and identity providers, in all. */
export const MOST_RULES = 1000;

/** Throws SettingInvalidError with `advice` when a query finds as many rows as there may be. */
export async function refuseBeyond(query: Knex.QueryBuilder, most: number, advice: string): Promise<void> {
  const [row] = await query.count({ count: '*' });
  if (Number(row?.count ?? 0) >= most) throw new SettingInvalidError(`there are ${most} already: ${advice}`);
}
