import type { AuthDatabase } from '../auth-database.ts';
import { AccountExistsError } from '../errors.ts';
import type { LinkedAccountStore, ProviderSubject } from './linked-account-store.ts';

/** Links in the tables that ACCOUNT_MIGRATIONS make. */
export class KnexLinkedAccountStore implements LinkedAccountStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find({ issuer, subject }: ProviderSubject): Promise<string | undefined> {
    const row = await this.#db.read('linked_accounts').where({ issuer, subject }).first('account');
    return row?.account;
  }

  async create({ issuer, subject }: ProviderSubject, account: string): Promise<string> {
    return this.#db.write(async (trx) => {
      const there = await trx('linked_accounts').where({ issuer, subject }).first('account');
      if (there !== undefined) return there.account;
      if ((await trx('accounts').where({ name: account }).first('name')) !== undefined) {
        throw new AccountExistsError(
          `there is an account named "${account}" already that belongs to somebody else: ask an administrator`,
        );
      }
      const createdAt = new Date().toISOString();
      await trx('accounts').insert({ name: account, password_hash: '', admin: false, created_at: createdAt });
      await trx('linked_accounts').insert({ issuer, subject, account });
      return account;
    });
  }
}
