import { type AuthDatabase, MOST_RULES, refuseBeyond } from '../auth-database.ts';
import { EntryExistsError } from '../errors.ts';
import type { Provider, ProviderStore } from './provider.ts';

interface ProviderRow {
  readonly name: string;
  readonly issuer: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly name_claim: string;
  readonly groups_claim: string;
  /** JSON of Provider.groups. */
  readonly groups: string;
}

/** Providers in the table that ACCOUNT_MIGRATIONS make. */
export class KnexProviderStore implements ProviderStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(name: string): Promise<Provider | undefined> {
    const row = await this.#db.read<ProviderRow>('providers').where({ name }).first();
    return row && providerOf(row);
  }

  async list(): Promise<readonly Provider[]> {
    const rows: readonly ProviderRow[] = await this.#db.read('providers').orderBy('name');
    return rows.map(providerOf);
  }

  async create(provider: Provider): Promise<void> {
    const { name } = provider;
    const row: ProviderRow = {
      name,
      issuer: provider.issuer,
      client_id: provider.clientId,
      client_secret: provider.clientSecret,
      name_claim: provider.nameClaim,
      groups_claim: provider.groupsClaim,
      groups: JSON.stringify(provider.groups),
    };
    await this.#db.write(async (trx) => {
      if ((await trx('providers').where({ name }).first('name')) !== undefined) {
        throw new EntryExistsError(`there is already a provider named "${name}": remove it first`);
      }
      await refuseBeyond(trx('providers'), MOST_RULES, 'remove what is not needed any more');
      await trx('providers').insert(row);
    });
  }

  async remove(name: string): Promise<boolean> {
    return this.#db.write(async (trx) => {
      await trx('sessions').where({ provider: name }).delete();
      return (await trx('providers').where({ name }).delete()) > 0;
    });
  }
}

function providerOf(row: ProviderRow): Provider {
  return {
    name: row.name,
    issuer: row.issuer,
    clientId: row.client_id,
    clientSecret: row.client_secret,
    nameClaim: row.name_claim,
    groupsClaim: row.groups_claim,
    groups: JSON.parse(row.groups),
  };
}
