import { Pace } from '../../lib/sync/pace.ts';
import { type AuthDatabase, orderedBy, type RowPage } from '../auth-database.ts';
import { removeCredentialsOf } from '../credentials/knex-credential-store.ts';
import { EntryExistsError, EntryUnknownError } from '../errors.ts';
import type { Team, TeamStore } from './account-store.ts';
import { unknownAccount } from './knex-account-store.ts';

/** Maximum members per query, and teams whose members one query reads. */
const AT_ONCE = 1000;
const TEAMS_AT_ONCE = 200;

interface MemberRow {
  readonly team: string;
  readonly account: string;
}

/** Teams in the tables that ACCOUNT_MIGRATIONS make. */
export class KnexTeamStore implements TeamStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async find(name: string): Promise<Team | undefined> {
    if ((await this.#db.read('teams').where({ name }).first('name')) === undefined) return undefined;
    return { name, members: (await this.#membersOf([name])).map(({ account }) => account) };
  }

  async list(page?: RowPage): Promise<readonly Team[]> {
    const rows: readonly { readonly name: string }[] = await orderedBy(
      this.#db.read('teams'),
      ['name'],
      page,
    );
    const names = rows.map(({ name }) => name);
    const byTeam = Map.groupBy(await this.#membersOf(names), ({ team }) => team);
    return names.map((name) => ({ name, members: (byTeam.get(name) ?? []).map(({ account }) => account) }));
  }

  /** Returns the members of teams by name, sorted. */
  async #membersOf(teams: readonly string[]): Promise<readonly MemberRow[]> {
    const members: MemberRow[] = [];
    const pace = new Pace(AT_ONCE);
    for (let start = 0; start < teams.length; start += TEAMS_AT_ONCE) {
      const names = teams.slice(start, start + TEAMS_AT_ONCE);
      let page: RowPage | undefined = { limit: AT_ONCE };
      while (page !== undefined) {
        await pace.after(AT_ONCE);
        const query = this.#db.read<MemberRow>('team_members').whereIn('team', names);
        const rows: readonly MemberRow[] = await orderedBy(query, ['team', 'account'], page);
        members.push(...rows);
        const last: MemberRow | undefined = rows.length < AT_ONCE ? undefined : rows.at(-1);
        page = last && { limit: AT_ONCE, after: [last.team, last.account] };
      }
    }
    return members;
  }

  async create(name: string): Promise<void> {
    await this.#db.write(async (trx) => {
      if ((await trx('teams').where({ name }).first('name')) !== undefined) {
        throw new EntryExistsError(`there is a team named "${name}" already`);
      }
      await trx('teams').insert({ name, created_at: new Date().toISOString() });
    });
  }

  async remove(name: string): Promise<void> {
    await this.#db.write(async (trx) => {
      if ((await trx('teams').where({ name }).delete()) === 0) throw unknownTeam(name);
      await trx('team_members').where({ team: name }).delete();
      await trx('role_grants').where({ holder_kind: 'team', holder_name: name }).delete();
      await removeCredentialsOf(trx, { kind: 'team', name });
    });
  }

  async join(team: string, account: string): Promise<void> {
    await this.#db.write(async (trx) => {
      if ((await trx('teams').where({ name: team }).first('name')) === undefined) throw unknownTeam(team);
      if ((await trx('accounts').where({ name: account }).first('name')) === undefined) {
        throw unknownAccount(account);
      }
      await trx('team_members').insert({ team, account }).onConflict(['team', 'account']).ignore();
    });
  }

  async leave(team: string, account: string): Promise<boolean> {
    return this.#db.write(async (trx) => (await trx('team_members').where({ team, account }).delete()) > 0);
  }

  async setTeamsOf(account: string, among: readonly string[], teams: readonly string[]): Promise<void> {
    await this.#db.write(async (trx) => {
      if ((await trx('accounts').where({ name: account }).first('name')) === undefined) {
        throw unknownAccount(account);
      }
      const present: readonly string[] = await trx('teams')
        .whereIn(
          'name',
          teams.filter((team) => among.includes(team)),
        )
        .pluck('name');
      await trx('team_members')
        .where({ account })
        .whereIn('team', [...among])
        .delete();
      if (present.length > 0) await trx('team_members').insert(present.map((team) => ({ team, account })));
    });
  }
}

export function unknownTeam(name: string): EntryUnknownError {
  return new EntryUnknownError(`there is no team named "${name}"`);
}
