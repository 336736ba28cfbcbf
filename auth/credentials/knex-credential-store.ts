import type { Knex } from 'knex';
import type { Limit } from '../access/rights.ts';
import {
  type AuthDatabase,
  MOST_CREDENTIALS,
  orderedBy,
  type RowPage,
  refuseBeyond,
} from '../auth-database.ts';
import { EntryExistsError, EntryUnknownError } from '../errors.ts';
import type { Credential, CredentialStore, Owner } from './credential-store.ts';

interface CredentialRow {
  readonly id: string;
  readonly kind: Credential['kind'];
  readonly name: string;
  readonly login_name: string | null;
  readonly owner_kind: Owner['kind'];
  readonly owner_name: string;
  readonly secret_hash: string;
  /** JSON of Grant[]. */
  readonly limits: string | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
}

/** Credentials in the tables that ACCOUNT_MIGRATIONS make. */
export class KnexCredentialStore implements CredentialStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  find(id: string): Promise<Credential | undefined> {
    return this.#first({ id });
  }

  findBySecret(secretHash: string): Promise<Credential | undefined> {
    return this.#first({ secret_hash: secretHash });
  }

  findRobot(name: string): Promise<Credential | undefined> {
    return this.#first({ login_name: name });
  }

  async list(kind: Credential['kind'], owner?: Owner, page?: RowPage): Promise<readonly Credential[]> {
    const query = this.#db.read<CredentialRow>('credentials').where({ kind });
    if (owner !== undefined) query.andWhere(ownerKey(owner));
    const rows: readonly CredentialRow[] = await orderedBy(query, ['name', 'created_at', 'id'], page);
    return rows.map(credentialOf);
  }

  async create(credential: Credential): Promise<void> {
    const { owner } = credential;
    await this.#db.write(async (trx) => {
      const owners = trx(owner.kind === 'user' ? 'accounts' : 'teams');
      if ((await owners.where({ name: owner.name }).first('name')) === undefined) {
        throw new EntryUnknownError(`there is no ${owner.kind} named "${owner.name}"`);
      }
      const loginName = credential.kind === 'robot' ? credential.name : null;
      if (loginName !== null) {
        const taken = await trx('credentials').where({ login_name: loginName }).first('id');
        if (taken !== undefined) {
          throw new EntryExistsError(`there is a robot account named "${loginName}" already`);
        }
      }
      const owned = trx('credentials').where({ ...ownerKey(owner), kind: credential.kind });
      await refuseBeyond(owned, MOST_CREDENTIALS, 'remove those that are no longer needed');
      const row: CredentialRow = {
        id: credential.id,
        kind: credential.kind,
        name: credential.name,
        login_name: loginName,
        owner_kind: owner.kind,
        owner_name: owner.name,
        secret_hash: credential.secretHash,
        limits: credential.limits === undefined ? null : JSON.stringify(credential.limits),
        created_at: credential.createdAt.toISOString(),
        expires_at: credential.expiresAt?.toISOString() ?? null,
        last_used_at: credential.lastUsedAt?.toISOString() ?? null,
      };
      await trx('credentials').insert(row);
    });
  }

  async replaceSecret(id: string, secretHash: string, expiresAt: Date | undefined): Promise<void> {
    await this.#db.write(async (trx) => {
      const changed = await trx('credentials')
        .where({ id })
        .update({ secret_hash: secretHash, expires_at: expiresAt?.toISOString() ?? null });
      if (changed === 0) throw new EntryUnknownError(`there is no token with the id "${id}"`);
      await trx('logins').where({ credential: id }).delete();
    });
  }

  async touch(id: string, at: Date): Promise<void> {
    await this.#db.write(
      async (trx) => {
        await trx('credentials').where({ id }).update({ last_used_at: at.toISOString() });
      },
      { durable: false },
    );
  }

  async remove(id: string): Promise<boolean> {
    return this.#db.write(async (trx) => {
      await trx('logins').where({ credential: id }).delete();
      return (await trx('credentials').where({ id }).delete()) > 0;
    });
  }

  async #first(where: Partial<CredentialRow>): Promise<Credential | undefined> {
    const row = await this.#db.read<CredentialRow>('credentials').where(where).first();
    return row && credentialOf(row);
  }
}

/** Removes all credentials of an owner, with the logins made with them. */
export async function removeCredentialsOf(trx: Knex.Transaction, owner: Owner): Promise<void> {
  const ids = trx('credentials').where(ownerKey(owner)).select('id');
  await trx('logins').whereIn('credential', ids).delete();
  await trx('credentials').where(ownerKey(owner)).delete();
}

function ownerKey({ kind, name }: Owner): Pick<CredentialRow, 'owner_kind' | 'owner_name'> {
  return { owner_kind: kind, owner_name: name };
}

function credentialOf(row: CredentialRow): Credential {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    owner: { kind: row.owner_kind, name: row.owner_name },
    secretHash: row.secret_hash,
    createdAt: new Date(row.created_at),
    ...(row.limits !== null && { limits: JSON.parse(row.limits) as readonly Limit[] }),
    ...(row.expires_at !== null && { expiresAt: new Date(row.expires_at) }),
    ...(row.last_used_at !== null && { lastUsedAt: new Date(row.last_used_at) }),
  };
}
