import type { AuthDatabase } from '../auth-database.ts';
import type { Login, LoginStore, LoginSubject } from './login-store.ts';

interface LoginRow {
  readonly secret_hash: string;
  readonly family: string;
  readonly subject_kind: LoginSubject['kind'];
  readonly subject_name: string;
  readonly credential: string | null;
  readonly service: string;
  readonly client: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly replaced: boolean | number;
}

/** Logins in the table that ACCOUNT_MIGRATIONS make. */
export class KnexLoginStore implements LoginStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(secretHash: string): Promise<Login | undefined> {
    const row = await this.#db.read<LoginRow>('logins').where({ secret_hash: secretHash }).first();
    return row && loginOf(row);
  }

  async list(kind: LoginSubject['kind'], name: string): Promise<readonly Login[]> {
    const rows: readonly LoginRow[] = await this.#db
      .read('logins')
      .where({ subject_kind: kind, subject_name: name, replaced: false })
      .orderBy('created_at', 'desc');
    return rows.map(loginOf);
  }

  async create(login: Login, most: number): Promise<void> {
    const { kind, name } = login.subject;
    await this.#db.write(async (trx) => {
      await trx('logins').where('expires_at', '<', login.createdAt.toISOString()).delete();
      const families: readonly string[] = await trx('logins')
        .where({ subject_kind: kind, subject_name: name, replaced: false })
        .orderBy('expires_at', 'desc')
        .offset(most - 1)
        .limit(1000)
        .pluck('family');
      if (families.length > 0) await trx('logins').whereIn('family', families).delete();
      await trx('logins').insert(rowOf(login));
    });
  }

  async replace(secretHash: string, next: Login): Promise<boolean> {
    return this.#db.write(async (trx) => {
      const replaced = await trx('logins')
        .where({ secret_hash: secretHash, replaced: false })
        .update({ replaced: true });
      if (replaced === 0) return false;
      await trx('logins').insert(rowOf(next));
      // It is remembered while its successor is valid, so that its reuse ends the family.
      await trx('logins').where({ family: next.family }).update({ expires_at: next.expiresAt.toISOString() });
      return true;
    });
  }

  async extend(secretHash: string, expiresAt: Date): Promise<void> {
    await this.#db.write(
      async (trx) => {
        await trx('logins')
          .where({ secret_hash: secretHash, replaced: false })
          .update({ expires_at: expiresAt.toISOString() });
      },
      { durable: false },
    );
  }

  async endFamily(family: string): Promise<boolean> {
    return this.#db.write(async (trx) => (await trx('logins').where({ family }).delete()) > 0);
  }
}

function rowOf({ subject, ...login }: Login): LoginRow {
  return {
    secret_hash: login.secretHash,
    family: login.family,
    subject_kind: subject.kind,
    subject_name: subject.name,
    credential: subject.credential ?? null,
    service: login.service,
    client: login.client,
    created_at: login.createdAt.toISOString(),
    expires_at: login.expiresAt.toISOString(),
    replaced: login.replaced,
  };
}

function loginOf(row: LoginRow): Login {
  return {
    secretHash: row.secret_hash,
    family: row.family,
    subject: {
      kind: row.subject_kind,
      name: row.subject_name,
      ...(row.credential !== null && { credential: row.credential }),
    },
    service: row.service,
    client: row.client,
    createdAt: new Date(row.created_at),
    expiresAt: new Date(row.expires_at),
    replaced: Boolean(row.replaced),
  };
}
