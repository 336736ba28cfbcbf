import type { Role } from '../access/role.ts';
import { type AuthDatabase, MOST_RULES, refuseBeyond } from '../auth-database.ts';
import { EntryExistsError } from '../errors.ts';
import type { JobRule, JobRuleStore } from './job-rule.ts';

interface JobRuleRow {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: string;
  readonly role: Role;
  readonly pattern: string;
}

/** Rules in the table that ACCOUNT_MIGRATIONS make. */
export class KnexJobRuleStore implements JobRuleStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async list(issuer?: string): Promise<readonly JobRule[]> {
    const query = this.#db.read<JobRuleRow>('job_rules').orderBy('name');
    if (issuer !== undefined) query.where({ issuer });
    const rows: readonly JobRuleRow[] = await query;
    return rows.map(({ claims, ...row }) => ({ ...row, claims: JSON.parse(claims) }));
  }

  async create({ claims, ...rule }: JobRule): Promise<void> {
    await this.#db.write(async (trx) => {
      const there = await trx('job_rules').where({ name: rule.name }).first('name');
      if (there !== undefined)
        throw new EntryExistsError(`there is already a rule ${rule.name}: remove it first`);
      await refuseBeyond(trx('job_rules'), MOST_RULES, 'remove what is not needed any more');
      await trx('job_rules').insert({ ...rule, claims: JSON.stringify(claims) });
    });
  }

  async remove(name: string): Promise<boolean> {
    return this.#db.write(async (trx) => (await trx('job_rules').where({ name }).delete()) > 0);
  }
}
