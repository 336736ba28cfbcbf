import type { AuthDatabase } from '../auth-database.ts';
import type { Session, SessionStore } from './sessions.ts';

interface SessionRow {
  readonly secret_hash: string;
  readonly account: string;
  readonly provider: string;
  readonly created_at: string;
  readonly expires_at: string;
}

/** Sessions in the table that ACCOUNT_MIGRATIONS make. */
export class KnexSessionStore implements SessionStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(secretHash: string): Promise<Session | undefined> {
    const row = await this.#db.read<SessionRow>('sessions').where({ secret_hash: secretHash }).first();
    return (
      row && {
        secretHash: row.secret_hash,
        account: row.account,
        provider: row.provider,
        createdAt: new Date(row.created_at),
        expiresAt: new Date(row.expires_at),
      }
    );
  }

  async create({ secretHash, account, provider, createdAt, expiresAt }: Session): Promise<void> {
    const row: SessionRow = {
      secret_hash: secretHash,
      account,
      provider,
      created_at: createdAt.toISOString(),
      expires_at: expiresAt.toISOString(),
    };
    await this.#db.write(async (trx) => {
      await trx('sessions').where('expires_at', '<', row.created_at).delete();
      await trx('sessions').insert(row);
    });
  }

  async remove(secretHash: string): Promise<boolean> {
    return this.#db.write(
      async (trx) => (await trx('sessions').where({ secret_hash: secretHash }).delete()) > 0,
    );
  }
}
