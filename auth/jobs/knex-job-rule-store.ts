import type { Role } from '../access/role.ts';
import type { AuthDatabase } from '../auth-database.ts';
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

  async list(): Promise<readonly JobRule[]> {
    const rows: readonly JobRuleRow[] = await this.#db.read('job_rules').orderBy('name');
    return rows.map(({ claims, ...row }) => ({ ...row, claims: JSON.parse(claims) }));
  }

  async create({ claims, ...rule }: JobRule): Promise<void> {
    await this.#db.write(async (trx) => {
      const there = await trx('job_rules').where({ name: rule.name }).first('name');
      if (there !== undefined)
        throw new EntryExistsError(`there is a rule ${rule.name} already: remove it first`);
      await trx('job_rules').insert({ ...rule, claims: JSON.stringify(claims) });
    });
  }

  async remove(name: string): Promise<boolean> {
    return this.#db.write(async (trx) => (await trx('job_rules').where({ name }).delete()) > 0);
  }
}
