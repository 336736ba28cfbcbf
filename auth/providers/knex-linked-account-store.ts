import { unknownAccount } from '../accounts/knex-account-store.ts';
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
          `the account "${account}" already exists and belongs to another person: ask an administrator`,
        );
      }
      const createdAt = new Date().toISOString();
      await trx('accounts').insert({ name: account, password_hash: '', admin: false, created_at: createdAt });
      await trx('linked_accounts').insert({ issuer, subject, account });
      return account;
    });
  }

  async of(account: string): Promise<readonly ProviderSubject[]> {
    return this.#db.read('linked_accounts').where({ account }).orderBy('issuer').select('issuer', 'subject');
  }

  async link({ issuer, subject }: ProviderSubject, account: string): Promise<void> {
    await this.#db.write(async (trx) => {
      if ((await trx('accounts').where({ name: account }).first('name')) === undefined) {
        throw unknownAccount(account);
      }
      const there = await trx('linked_accounts').where({ issuer, subject }).first('account');
      if (there?.account === account) return false;
      if (there !== undefined) {
        throw new AccountExistsError(
          `whom the provider calls "${subject}" has the account "${there.account}" already: remove that first`,
        );
      }
      await trx('linked_accounts').insert({ issuer, subject, account });
      return true;
    });
  }

  async unlink(issuer: string, account: string): Promise<boolean> {
    return this.#db.write(
      async (trx) => (await trx('linked_accounts').where({ issuer, account }).delete()) > 0,
    );
  }
}
