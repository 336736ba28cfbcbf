import type { Knex } from 'knex';
import type { AuthDatabase } from '../auth-database.ts';
import type { DeviceLogin, DeviceLoginStore, MostWaiting } from './device-login-store.ts';

interface DeviceLoginRow {
  readonly device_hash: string;
  readonly user_code_hash: string;
  readonly client: string;
  readonly network: string;
  readonly account: string | null;
  readonly denied: boolean | number;
  readonly expires_at: string;
}

/** Logins of terminals in the table that ACCOUNT_MIGRATIONS make. */
export class KnexDeviceLoginStore implements DeviceLoginStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(deviceHash: string): Promise<DeviceLogin | undefined> {
    return this.#first({ device_hash: deviceHash });
  }

  async findByUserCode(userCodeHash: string): Promise<DeviceLogin | undefined> {
    return this.#first({ user_code_hash: userCodeHash, account: null, denied: false });
  }

  async create(login: DeviceLogin, now: Date, most: MostWaiting): Promise<void> {
    const row: DeviceLoginRow = {
      device_hash: login.deviceHash,
      user_code_hash: login.userCodeHash,
      client: login.client,
      network: login.network,
      account: login.account ?? null,
      denied: login.denied,
      expires_at: login.expiresAt.toISOString(),
    };
    await this.#db.write(async (trx) => {
      await trx('device_logins').where('expires_at', '<', now.toISOString()).delete();
      const ofNetwork = await countOf(trx, { network: login.network });
      if (ofNetwork >= most.ofNetwork) await dropOldest(trx, login.network);
      else if ((await countOf(trx, {})) >= most.inAll) {
        const largest = await trx('device_logins')
          .where({ account: null })
          .groupBy('network')
          .orderByRaw('count(*) desc')
          .first<{ network: string }>('network');
        await dropOldest(trx, largest?.network ?? '');
      }
      await trx('device_logins').insert(row);
    });
  }

  async confirm(userCodeHash: string, account: string, now: Date): Promise<boolean> {
    return this.#answer(userCodeHash, { account }, now);
  }

  async deny(userCodeHash: string, now: Date): Promise<boolean> {
    return this.#answer(userCodeHash, { denied: true }, now);
  }

  async take(deviceHash: string): Promise<boolean> {
    return this.#db.write(
      async (trx) => (await trx('device_logins').where({ device_hash: deviceHash }).delete()) > 0,
    );
  }

  async #answer(
    userCodeHash: string,
    change: Partial<Pick<DeviceLoginRow, 'account' | 'denied'>>,
    now: Date,
  ): Promise<boolean> {
    return this.#db.write(async (trx) => {
      const changed = await trx('device_logins')
        .where({ user_code_hash: userCodeHash, account: null, denied: false })
        .where('expires_at', '>', now.toISOString())
        .update(change);
      return changed > 0;
    });
  }

  async #first(where: Partial<DeviceLoginRow>): Promise<DeviceLogin | undefined> {
    const row = await this.#db.read<DeviceLoginRow>('device_logins').where(where).first();
    return (
      row && {
        deviceHash: row.device_hash,
        userCodeHash: row.user_code_hash,
        client: row.client,
        network: row.network,
        ...(row.account !== null && { account: row.account }),
        denied: Boolean(row.denied),
        expiresAt: new Date(row.expires_at),
      }
    );
  }
}

async function countOf(trx: Knex.Transaction, where: Partial<DeviceLoginRow>): Promise<number> {
  const row = await trx('device_logins')
    .where({ ...where, account: null })
    .count({ count: '*' })
    .first();
  return Number(row?.count ?? 0);
}

/** All have the same lifetime, so the first to expire is the oldest. */
async function dropOldest(trx: Knex.Transaction, network: string): Promise<void> {
  const oldest = await trx('device_logins')
    .where({ network, account: null })
    .orderBy('expires_at')
    .first('device_hash');
  await trx('device_logins')
    .where({ device_hash: oldest?.device_hash ?? '' })
    .delete();
}
