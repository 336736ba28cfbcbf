import type { AuthDatabase } from '../auth-database.ts';
import type { KeyStore, SigningKey } from './key-ring.ts';

interface KeyRow {
  readonly id: string;
  /** JSON of a JWK. */
  readonly private_key: string;
  readonly created_at: string;
  readonly retires_at: string | null;
}

/** Keys in the table that ACCOUNT_MIGRATIONS make. */
export class KnexKeyStore implements KeyStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async list(now: Date): Promise<readonly SigningKey[]> {
    const rows: readonly KeyRow[] = await this.#db
      .read('signing_keys')
      .whereNull('retires_at')
      .orWhere('retires_at', '>', now.toISOString())
      .orderBy('created_at', 'desc');
    return rows.map((row) => ({
      id: row.id,
      privateKey: JSON.parse(row.private_key),
      createdAt: new Date(row.created_at),
      ...(row.retires_at !== null && { retiresAt: new Date(row.retires_at) }),
    }));
  }

  async createFirst(key: SigningKey): Promise<boolean> {
    return this.#db.write(async (trx) => {
      if ((await trx('signing_keys').whereNull('retires_at').first('id')) !== undefined) return false;
      await trx('signing_keys').insert(rowOf(key));
      return true;
    });
  }

  async rotate(key: SigningKey, retiresAt: Date): Promise<void> {
    const at = retiresAt.toISOString();
    await this.#db.write(async (trx) => {
      await trx('signing_keys').where('retires_at', '<', key.createdAt.toISOString()).delete();
      // A rotation without overlap brings forward the retirement of older keys.
      await trx('signing_keys')
        .whereNull('retires_at')
        .orWhere('retires_at', '>', at)
        .update({ retires_at: at });
      await trx('signing_keys').insert(rowOf(key));
    });
  }
}

function rowOf(key: SigningKey): KeyRow {
  return {
    id: key.id,
    private_key: JSON.stringify(key.privateKey),
    created_at: key.createdAt.toISOString(),
    retires_at: key.retiresAt?.toISOString() ?? null,
  };
}
