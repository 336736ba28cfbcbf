import type { AuthDatabase } from '../auth-database.ts';
import type { Session, SessionStore } from './sessions.ts';

interface SessionRow {
  readonly secret_hash: string;
  readonly account: string;
  readonly provider: string;
  readonly client: string;
  readonly address: string;
  readonly created_at: string;
  readonly expires_at: string;
}

/** Maximum sessions of one list. */
const MOST_LISTED = 100;

/** Sessions in the table that ACCOUNT_MIGRATIONS make. */
export class KnexSessionStore implements SessionStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(secretHash: string): Promise<Session | undefined> {
    const row = await this.#db.read<SessionRow>('sessions').where({ secret_hash: secretHash }).first();
    return row && sessionOf(row);
  }

  async list(account: string, at: Date): Promise<readonly Session[]> {
    const rows = await this.#db
      .read<SessionRow>('sessions')
      .where({ account })
      .where('expires_at', '>', at.toISOString())
      .orderBy('created_at', 'desc')
      .limit(MOST_LISTED);
    return rows.map(sessionOf);
  }

  async create({ secretHash, createdAt, expiresAt, ...session }: Session): Promise<void> {
    const row: SessionRow = {
      ...session,
      secret_hash: secretHash,
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

function sessionOf(row: SessionRow): Session {
  return {
    secretHash: row.secret_hash,
    account: row.account,
    provider: row.provider,
    client: row.client,
    address: row.address,
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
  };
}
