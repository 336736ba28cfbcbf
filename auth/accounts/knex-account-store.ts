import type { Knex } from 'knex';
import { AccountExistsError } from '../errors.ts';
import type { Account, AccountStore } from './account-store.ts';

interface AccountRow {
  readonly name: string;
  readonly password_hash: string;
  readonly admin: boolean | number;
  readonly created_at: string;
}

/** Accounts in the table that ACCOUNT_MIGRATIONS make. Says nothing that only one database understands. */
export class KnexAccountStore implements AccountStore {
  readonly #db: Knex;

  constructor(db: Knex) {
    this.#db = db;
  }

  async find(name: string): Promise<Account | undefined> {
    const row = await this.#db<AccountRow>('accounts').where({ name }).first();
    if (row === undefined) return undefined;
    return {
      name: row.name,
      passwordHash: row.password_hash,
      admin: Boolean(row.admin),
      createdAt: new Date(row.created_at),
    };
  }

  async create(account: Account): Promise<void> {
    const row: AccountRow = {
      name: account.name,
      password_hash: account.passwordHash,
      admin: account.admin,
      created_at: account.createdAt.toISOString(),
    };
    try {
      await this.#db('accounts').insert(row);
    } catch (error) {
      // Each database words a broken primary key differently; whether the name is taken can be asked of all.
      if ((await this.find(account.name)) === undefined) throw error;
      throw new AccountExistsError(`there is an account named "${account.name}" already`, { cause: error });
    }
  }
}
