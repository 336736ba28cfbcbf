import type { Knex } from 'knex';
import {
  type Host,
  type HostFacts,
  type HostState,
  hostState,
  MAX_HOSTS,
  type ReportedHost,
} from '../../fleet/host.ts';
import {
  HostError,
  type HostStore,
  type JoinToken,
  type NewHost,
  type TargetChange,
} from '../../fleet/host-store.ts';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget, HostTarget } from '../../fleet/target.ts';
import { batches, isPostgres } from '../catalog/rows.ts';
import { inTransaction } from '../catalog/transaction.ts';
import { connectionOf, type HostRow, hostOf, POLLING } from './host-rows.ts';

/** Rows of one statement, whose values databases limit. */
const AT_ONCE = 100;
/** Maximum stored join tokens. */
const MAX_TOKENS = 1_000;
const DAY = 24 * 60 * 60 * 1000;

/** Hosts report everything again when they connect. */
const UNSYNCED = { durable: false };

interface TokenRow {
  readonly id: string;
  readonly labels: string;
  readonly expires_at: number | string;
  readonly used_at: number | string | null;
}

/** Hosts in the tables of the migration 0009-fleet. */
export class KnexHostStore implements HostStore {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async createToken({ id, secretHash, labels, expiresAt, createdBy }: JoinToken): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      await trx('join_tokens')
        .where('expires_at', '<', Date.now() - DAY)
        .delete();
      if ((await countOf(trx, 'join_tokens')) >= MAX_TOKENS) {
        throw new HostError(
          'too-many-tokens',
          `there are ${MAX_TOKENS} join tokens of the last day: use those, or wait until they are deleted`,
        );
      }
      await trx('join_tokens').insert({
        id,
        secret_hash: secretHash,
        labels: JSON.stringify(labels),
        expires_at: expiresAt.getTime(),
        created_by: createdBy,
      });
    });
  }

  join(secretHash: string, host: NewHost, now: Date): Promise<Host> {
    return inTransaction(this.#knex, async (trx) => {
      const token: TokenRow | undefined = await trx('join_tokens').where({ secret_hash: secretHash }).first();
      refuseToken(token, now);
      await refuseName(trx, host.name);
      if ((await countOf(trx, 'hosts')) >= MAX_HOSTS) {
        throw new HostError('too-many-hosts', `there are ${MAX_HOSTS} hosts already, which is the maximum`);
      }
      await trx('join_tokens').where({ id: token.id }).update({ used_at: now.getTime() });
      await trx('hosts').insert({
        id: host.id,
        name: host.name,
        public_key: host.publicKey,
        recipient: host.recipient,
        labels: JSON.stringify({ ...host.labels, ...JSON.parse(token.labels) }),
        facts: JSON.stringify(host.facts),
        joined_at: now.getTime(),
      });
      return hostOf(await trx('hosts').where({ id: host.id }).first());
    });
  }

  async list(apps?: readonly string[]): Promise<readonly ReportedHost[]> {
    const rows: readonly HostRow[] = await this.#knex('hosts').orderBy('name');
    const reports: { readonly host: string; readonly report: string }[] = [];
    for (const batch of apps === undefined ? [undefined] : batches(apps, AT_ONCE)) {
      const query = this.#knex('host_reports').orderBy('app').select('host', 'report');
      if (batch !== undefined) query.whereIn('app', [...batch]);
      reports.push(...(await query));
    }
    const byHost = Map.groupBy(reports, ({ host }) => host);
    return rows.map((row) => ({
      ...hostOf(row),
      reports: (byHost.get(row.id) ?? []).map(({ report }) => JSON.parse(report)),
    }));
  }

  async find(host: string): Promise<ReportedHost | undefined> {
    const row = await findRow(this.#knex, host);
    if (row === undefined) return undefined;
    const reports: readonly string[] = await this.#knex('host_reports')
      .where({ host: row.id })
      .orderBy('app')
      .pluck('report');
    return { ...hostOf(row), reports: reports.map((report) => JSON.parse(report)) };
  }

  update(host: string, change: Partial<Pick<Host, 'name' | 'labels' | 'draining'>>): Promise<Host> {
    return inTransaction(this.#knex, async (trx) => {
      const row = await findRow(trx, host);
      if (row === undefined) throw new HostError('unknown', `there is no host named "${host}"`);
      const { name, labels, draining } = change;
      if (name !== undefined && name !== row.name) await refuseName(trx, name);
      const columns = {
        ...(name !== undefined && { name }),
        ...(labels !== undefined && { labels: JSON.stringify(labels) }),
        ...(draining !== undefined && { draining }),
      };
      if (Object.keys(columns).length === 0) return hostOf(row);
      await trx('hosts').where({ id: row.id }).update(columns);
      return hostOf({ ...row, ...columns });
    });
  }

  remove(id: string): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => (await trx('hosts').where({ id }).delete()) > 0);
  }

  connect(
    id: string,
    connection: string,
    facts: HostFacts,
    now: Date,
  ): Promise<{ readonly replaced?: string } | undefined> {
    return inTransaction(
      this.#knex,
      async (trx) => {
        const row: HostRow | undefined = await trx('hosts').where({ id }).first();
        if (row === undefined) return undefined;
        await trx('hosts')
          .where({ id })
          .update({ connection, facts: JSON.stringify(facts), seen_at: now.getTime() });
        return row.connection === null || row.connection === POLLING ? {} : { replaced: row.connection };
      },
      UNSYNCED,
    );
  }

  async disconnect(id: string, connection: string, now: Date): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        await trx('hosts').where({ id, connection }).update({ connection: null, seen_at: now.getTime() });
      },
      UNSYNCED,
    );
  }

  async heard(connections: ReadonlyMap<string, string>, now: Date): Promise<readonly string[]> {
    if (connections.size === 0) return [];
    const newest = await inTransaction(
      this.#knex,
      (trx) =>
        rowsOf<{ readonly id: string }>(
          trx,
          `update hosts set seen_at = ? where (id, connection) in (select key, value from ${eachOf(trx)}) returning id`,
          [now.getTime(), jsonOf(connections)],
        ),
      UNSYNCED,
    );
    const ids = new Set(newest.map(({ id }) => id));
    return [...connections.keys()].filter((id) => !ids.has(id));
  }

  async polled(id: string, now: Date): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        await trx('hosts')
          .where({ id })
          .update({ seen_at: now.getTime(), connection: trx.raw('coalesce(connection, ?)', [POLLING]) });
      },
      UNSYNCED,
    );
  }

  async countStates(now: Date): Promise<Readonly<Record<HostState, number>>> {
    const counts = { online: 0, offline: 0, unknown: 0, draining: 0 };
    for (const host of await this.presence()) counts[hostState(host, now.getTime())] += 1;
    return counts;
  }

  async presence() {
    const rows: readonly Pick<HostRow, 'connection' | 'draining' | 'id' | 'name' | 'seen_at'>[] =
      await this.#knex('hosts').select('connection', 'draining', 'id', 'name', 'seen_at');
    return rows.map((row) => {
      const { connected, seenAt } = connectionOf(row);
      const draining = Boolean(row.draining);
      return { id: row.id, name: row.name, connected, draining, ...(seenAt && { seenAt }) };
    });
  }

  async report(id: string, reports: readonly AppReport[], gone: readonly string[], now: Date): Promise<void> {
    await inTransaction(
      this.#knex,
      async (trx) => {
        const apps = new Set<string>([
          ...(await trx('host_targets').where({ host: id }).pluck('app')),
          ...(await trx('host_reports').where({ host: id }).pluck('app')),
        ]);
        for (const batch of batches(gone, AT_ONCE)) {
          await trx('host_reports')
            .where({ host: id })
            .whereIn('app', [...batch])
            .delete();
        }
        const rows = reports
          .filter(({ app }) => apps.has(app))
          .map((report) => ({
            host: id,
            app: report.app,
            report: JSON.stringify(report),
            reported_at: now.getTime(),
          }));
        for (const batch of batches(rows, AT_ONCE)) {
          await trx('host_reports')
            .insert([...batch])
            .onConflict(['host', 'app'])
            .merge();
        }
      },
      UNSYNCED,
    );
  }

  async target(id: string): Promise<HostTarget> {
    // One statement, so that the apps match the generation.
    const rows: readonly { readonly generation: number | string; readonly target: string | null }[] =
      await this.#knex('hosts as h')
        .leftJoin('host_targets as t', 't.host', 'h.id')
        .where('h.id', id)
        .orderBy('t.app')
        .select('h.generation', 't.target');
    return {
      generation: Number(rows[0]?.generation ?? 0),
      apps: rows.flatMap(({ target }): readonly AppTarget[] => (target === null ? [] : [JSON.parse(target)])),
    };
  }

  async appTargets(app: string, hosts: readonly string[]): Promise<ReadonlyMap<string, AppTarget>> {
    const targets = new Map<string, AppTarget>();
    for (const batch of batches(hosts, AT_ONCE)) {
      const rows = await this.#knex('host_targets')
        .where({ app })
        .whereIn('host', [...batch])
        .select('host', 'target');
      for (const { host, target } of rows) targets.set(host, JSON.parse(target));
    }
    return targets;
  }

  async newerTargets(known: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    if (known.size === 0) return new Map();
    const rows = await rowsOf<{ readonly id: string; readonly generation: number | string }>(
      this.#knex,
      `select h.id, h.generation from ${eachOf(this.#knex)} as k join hosts h on h.id = k.key
        where h.generation > cast(k.value as bigint)`,
      [jsonOf(known)],
    );
    return new Map(rows.map(({ id, generation }) => [id, Number(generation)]));
  }

  setTargets(
    changes: readonly TargetChange[],
    of?: { readonly app: string; readonly revision: number },
  ): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      if (
        of !== undefined &&
        (await trx('rollouts')
          .where({ ...of })
          .first('app')) === undefined
      )
        return false;
      const hosts = new Set<string>();
      for (const batch of batches(changes, AT_ONCE)) {
        const ids = batch.map(({ host }) => host);
        const there = await trx('hosts').whereIn('id', ids).increment('generation', 1).returning('id');
        for (const { id } of there) hosts.add(id);
      }
      const known = changes.filter(({ host }) => hosts.has(host));
      for (const { host, remove } of known) {
        for (const batch of batches(remove, AT_ONCE)) {
          await trx('host_targets')
            .where({ host })
            .whereIn('app', [...batch])
            .delete();
        }
      }
      const rows = known.flatMap(({ host, set }) =>
        set.map((target) => ({ host, app: target.app, target: JSON.stringify(target) })),
      );
      for (const batch of batches(rows, AT_ONCE)) {
        await trx('host_targets')
          .insert([...batch])
          .onConflict(['host', 'app'])
          .merge();
      }
      return true;
    });
  }
}

function refuseToken(token: TokenRow | undefined, now: Date): asserts token is TokenRow {
  if (token === undefined) {
    throw new HostError(
      'token-unknown',
      'the join token is not from this registry: make one with "berth host token"',
    );
  }
  if (token.used_at !== null) {
    throw new HostError(
      'token-used',
      'the join token was already used: make another one with "berth host token"',
    );
  }
  if (Number(token.expires_at) <= now.getTime()) {
    throw new HostError(
      'token-expired',
      'the join token has expired: make another one with "berth host token"',
    );
  }
}

async function refuseName(trx: Knex.Transaction, name: string): Promise<void> {
  if ((await trx('hosts').where({ name }).first('id')) === undefined) return;
  throw new HostError('name-taken', `there is already a host named "${name}": choose another name`);
}

async function findRow(knex: Knex, host: string): Promise<HostRow | undefined> {
  const rows: readonly HostRow[] = await knex('hosts').where({ id: host }).orWhere({ name: host });
  return rows.find(({ id }) => id === host) ?? rows[0];
}

async function countOf(trx: Knex.Transaction, table: 'hosts' | 'join_tokens'): Promise<number> {
  const [row] = await trx(table).count({ count: '*' });
  return Number(row?.count ?? 0);
}

/** Returns the SQL function that yields rows of `key` and `value` for the bound JSON. */
function eachOf(knex: Knex): string {
  return isPostgres(knex) ? 'json_each_text(cast(? as json))' : 'json_each(?)';
}

function jsonOf(map: ReadonlyMap<string, string | number>): string {
  return JSON.stringify(Object.fromEntries(map));
}

async function rowsOf<Row>(
  knex: Knex,
  sql: string,
  bindings: readonly (string | number)[],
): Promise<readonly Row[]> {
  const answer = await knex.raw(sql, [...bindings]);
  return isPostgres(knex) ? answer.rows : answer;
}
