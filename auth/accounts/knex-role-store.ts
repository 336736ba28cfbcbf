import type { Role } from '../access/role.ts';
import { type AuthDatabase, MOST_ROLES, orderedBy, type RowPage, refuseBeyond } from '../auth-database.ts';
import type { Holder, RoleGrant, RoleStore } from './account-store.ts';
import { unknownAccount } from './knex-account-store.ts';
import { unknownTeam } from './knex-team-store.ts';

interface RoleRow {
  readonly holder_kind: Holder['kind'];
  /** '' for everybody. */
  readonly holder_name: string;
  readonly pattern: string;
  readonly role: Role;
}

/** Roles in the tables that ACCOUNT_MIGRATIONS make. */
export class KnexRoleStore implements RoleStore {
  readonly #db: AuthDatabase;

  constructor(db: AuthDatabase) {
    this.#db = db;
  }

  async list(page?: RowPage): Promise<readonly RoleGrant[]> {
    const key = ['holder_kind', 'holder_name', 'pattern'];
    const rows: readonly RoleRow[] = await orderedBy(this.#db.read('role_grants'), key, page);
    return rows.map(({ holder_kind: kind, holder_name: name, pattern, role }) => ({
      holder: kind === 'public' ? { kind } : { kind, name },
      pattern,
      role,
    }));
  }

  async put({ holder, pattern, role }: RoleGrant): Promise<void> {
    await this.#db.write(async (trx) => {
      if (holder.kind !== 'public') {
        const { kind, name } = holder;
        const named = await trx(kind === 'user' ? 'accounts' : 'teams')
          .where({ name })
          .first('name');
        if (named === undefined) throw kind === 'user' ? unknownAccount(name) : unknownTeam(name);
      }
      const there = await trx('role_grants')
        .where({ ...keyOf(holder), pattern })
        .first('role');
      if (there === undefined) {
        const held = trx('role_grants').where(keyOf(holder));
        await refuseBeyond(
          held,
          MOST_ROLES,
          'grant a role on a pattern that covers several repositories, such as team/*',
        );
      }
      await trx('role_grants')
        .insert({ ...keyOf(holder), pattern, role })
        .onConflict(['holder_kind', 'holder_name', 'pattern'])
        .merge(['role']);
    });
  }

  async remove(holder: Holder, pattern: string): Promise<boolean> {
    return this.#db.write(
      async (trx) =>
        (await trx('role_grants')
          .where({ ...keyOf(holder), pattern })
          .delete()) > 0,
    );
  }

  async heldBy(holder: Holder): Promise<readonly Omit<RoleGrant, 'holder'>[]> {
    const query = this.#db.read('role_grants').where({ holder_kind: 'public' }).select('pattern', 'role');
    if (holder.kind === 'public') return query;
    query.orWhere(keyOf(holder));
    if (holder.kind === 'team') return query;
    const teams = this.#db.read('team_members').where({ account: holder.name }).select('team');
    return query.orWhere((of) => of.where({ holder_kind: 'team' }).whereIn('holder_name', teams));
  }
}

function keyOf(holder: Holder): Pick<RoleRow, 'holder_kind' | 'holder_name'> {
  return { holder_kind: holder.kind, holder_name: holder.kind === 'public' ? '' : holder.name };
}
