import { type AuthDatabase, orderedBy, type RowPage } from '../auth-database.ts';
import { removeCredentialsOf } from '../credentials/knex-credential-store.ts';
import { AccountExistsError, EntryUnknownError, SettingInvalidError } from '../errors.ts';
import type { Account, AccountStore } from './account-store.ts';

interface AccountRow {
  readonly name: string;
  /** '' for an account without a password. */
  readonly password_hash: string;
  readonly admin: boolean | number;
  readonly created_at: string;
}

/** Accounts in the tables that ACCOUNT_MIGRATIONS make. */
export class KnexAccountStore implements AccountStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(name: string): Promise<Account | undefined> {
    const row = await this.#db.read<AccountRow>('accounts').where({ name }).first();
    return row && accountOf(row);
  }

  async list(page?: RowPage): Promise<readonly Account[]> {
    const rows: readonly AccountRow[] = await orderedBy(this.#db.read('accounts'), ['name'], page);
    return rows.map(accountOf);
  }

  async create(account: Account): Promise<void> {
    const row: AccountRow = {
      name: account.name,
      password_hash: account.passwordHash ?? '',
      admin: account.admin,
      created_at: account.createdAt.toISOString(),
    };
    await this.#db.write(async (trx) => {
      const taken = await trx('accounts').where({ name: row.name }).first('name');
      if (taken !== undefined) {
        throw new AccountExistsError(`there is already an account named "${row.name}"`);
      }
      await trx('accounts').insert(row);
    });
  }

  async update(name: string, change: Partial<Pick<Account, 'admin' | 'passwordHash'>>): Promise<void> {
    await this.#db.write(async (trx) => {
      const row = await trx<AccountRow>('accounts').where({ name }).first();
      if (row === undefined) throw unknownAccount(name);
      if ('passwordHash' in change) {
        await trx('accounts')
          .where({ name })
          .update({ password_hash: change.passwordHash ?? '' });
        await trx('logins').where({ subject_kind: 'user', subject_name: name }).delete();
        // Sessions of the old password, not those of a provider.
        await trx('sessions').where({ account: name, provider: '' }).delete();
      }
      if (change.admin === undefined) return;
      await trx('accounts').where({ name }).update({ admin: change.admin });
      if (row.admin && !change.admin) await keepAnAdmin(trx);
    });
  }

  async remove(name: string): Promise<void> {
    await this.#db.write(async (trx) => {
      const row = await trx<AccountRow>('accounts').where({ name }).first();
      if (row === undefined) throw unknownAccount(name);
      await trx('accounts').where({ name }).delete();
      if (row.admin) await keepAnAdmin(trx);
      await trx('team_members').where({ account: name }).delete();
      await trx('role_grants').where({ holder_kind: 'user', holder_name: name }).delete();
      await removeCredentialsOf(trx, { kind: 'user', name });
      await trx('logins').where({ subject_kind: 'user', subject_name: name }).delete();
      for (const table of ['linked_accounts', 'sessions', 'device_logins']) {
        await trx(table).where({ account: name }).delete();
      }
    });
  }
}

export function unknownAccount(name: string): EntryUnknownError {
  return new EntryUnknownError(`there is no account named "${name}"`);
}

/** Throws when no administrator is left, so that the transaction changes nothing. */
async function keepAnAdmin(trx: Parameters<Parameters<AuthDatabase['write']>[0]>[0]): Promise<void> {
  if ((await trx('accounts').where({ admin: true }).first('name')) !== undefined) return;
  throw new SettingInvalidError('this is the last administrator: create another one first');
}

function accountOf(row: AccountRow): Account {
  return {
    name: row.name,
    passwordHash: row.password_hash === '' ? undefined : row.password_hash,
    admin: Boolean(row.admin),
    createdAt: new Date(row.created_at),
  };
}
