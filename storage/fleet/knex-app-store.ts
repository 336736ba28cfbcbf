import type { Knex } from 'knex';
import {
  type AppChange,
  AppError,
  type AppStore,
  type BeginRollout,
  type Follower,
  type ImageHolder,
  type LatestReleases,
  type MoveEnd,
  type NewRelease,
  type ReleaseEnd,
  type StoredRollout,
  type StoredSecret,
} from '../../fleet/app-store.ts';
import type { App, Placement, Release, ReleaseState } from '../../fleet/release.ts';
import type { PinnedImage } from '../../fleet/service.ts';
import type { Digest } from '../../oci/digest.ts';
import { holdersOf } from '../catalog/release-images.ts';
import { batches } from '../catalog/rows.ts';
import { inTransaction } from '../catalog/transaction.ts';
import {
  type AppRow,
  appOf,
  type ReleaseRow,
  releaseOf,
  rolloutOf,
  type SecretRow,
  secretOf,
} from './app-rows.ts';
import { dropOldImages, dropOldSecrets, refuseUsedSecret, UNENDED } from './kept-releases.ts';
import { type PlacementRow, placementOf, replacePlacements } from './placement-rows.ts';

/** Rows of one statement, whose values databases limit. */
const AT_ONCE = 100;
/** Maximum apps of a fleet. */
export const MAX_APPS = 1000;
/** Maximum releases in the history of an app. */
const HISTORY_KEPT = 200;
/** Maximum secrets of an app. */
const MAX_SECRETS = 200;

/** Apps in the tables of the migration 0009-fleet. */
export class KnexAppStore implements AppStore {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async list(): Promise<readonly App[]> {
    const rows: readonly AppRow[] = await this.#knex('apps').orderBy('name').limit(MAX_APPS);
    return rows.map(appOf);
  }

  async find(app: string): Promise<App | undefined> {
    const row: AppRow | undefined = await this.#knex('apps').where({ name: app }).first();
    return row && appOf(row);
  }

  createRelease(
    release: NewRelease,
    change: AppChange,
    latest: number,
    begin?: BeginRollout,
    others?: LatestReleases,
  ): Promise<Release> {
    return inTransaction(this.#knex, async (trx) => {
      const row: AppRow | undefined = await trx('apps').where({ name: release.app }).first();
      if ((row?.latest ?? 0) !== latest) throw changed(release.app);
      if (others !== undefined) await refuseOthers(trx, release.app, others);
      const number = latest + 1;
      if (row === undefined) await insertApp(trx, release, change);
      else
        await trx('apps')
          .where({ name: release.app })
          .update({ latest: number, ...columnsOf(change) });
      await trx('releases')
        .where({ app: release.app })
        .whereIn('state', [...UNENDED])
        .update({ state: 'superseded', ended_at: release.createdAt.getTime() });
      await trx('releases').insert({
        app: release.app,
        number,
        spec: JSON.stringify(release.spec),
        images: JSON.stringify(release.images),
        secrets: JSON.stringify(release.secrets),
        cause: JSON.stringify(release.cause),
        state: 'rolling',
        created_at: release.createdAt.getTime(),
      });
      await insertImages(trx, release.app, number, release.images);
      await trx('releases')
        .where({ app: release.app })
        .where('number', '<=', number - HISTORY_KEPT)
        .delete();
      if (begin !== undefined) await beginRollout(trx, release, number, begin);
      return { ...release, number, state: 'rolling' as const };
    });
  }

  async findRelease(app: string, number: number): Promise<Release | undefined> {
    const row: ReleaseRow | undefined = await this.#knex('releases').where({ app, number }).first();
    return row && releaseOf(row);
  }

  async findReleases(wanted: readonly Pick<Release, 'app' | 'number'>[]): Promise<readonly Release[]> {
    const found: Release[] = [];
    for (const batch of batches(wanted, AT_ONCE)) {
      const keys = batch.map(({ app, number }) => [app, number]);
      const rows: readonly ReleaseRow[] = await this.#knex('releases')
        .whereIn(['app', 'number'], keys)
        .select();
      found.push(...rows.map(releaseOf));
    }
    return found;
  }

  async latestStates(): Promise<ReadonlyMap<string, ReleaseState>> {
    const rows: readonly Pick<ReleaseRow, 'app' | 'state'>[] = await this.#knex('releases as r')
      .join('apps as a', (on) => on.on('a.name', 'r.app').andOn('a.latest', 'r.number'))
      .select('r.app', 'r.state');
    return new Map(rows.map(({ app, state }) => [app, state]));
  }

  async releases(app: string, limit: number, before?: number): Promise<readonly Release[]> {
    const query = this.#knex('releases').where({ app }).orderBy('number', 'desc').limit(limit);
    if (before !== undefined) query.where('number', '<', before);
    const rows: readonly ReleaseRow[] = await query;
    return rows.map(releaseOf);
  }

  async setReleaseState(app: string, number: number, state: ReleaseState, reason?: string): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      await trx('releases')
        .where({ app, number })
        .whereNull('ended_at')
        .update({ state, ...(reason !== undefined && { reason }) });
    });
  }

  endRelease(
    app: string,
    number: number,
    { state, reason, at, placements, revision }: ReleaseEnd,
  ): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      if (revision !== undefined && !(await endRollout(trx, app, revision))) return false;
      const ended = await trx('releases')
        .where({ app, number })
        .whereNull('ended_at')
        .update({ state, ended_at: at.getTime(), ...(reason !== undefined && { reason }) });
      if (ended === 0) return false;
      if (state === 'done') await trx('apps').where({ name: app }).update({ current: number });
      if (placements !== undefined) await replacePlacements(trx, app, placements);
      await dropOldImages(trx, app);
      await dropOldSecrets(trx, app);
      return true;
    });
  }

  async change(app: string, change: AppChange): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      const there = await trx('apps')
        .where({ name: app })
        .update({ name: app, ...columnsOf(change) });
      if (there === 0) throw new AppError('unknown', `there is no app named ${app}`);
    });
  }

  remove(app: string): Promise<readonly string[] | undefined> {
    return inTransaction(this.#knex, async (trx) => {
      const hosts: readonly string[] = await trx('host_targets').where({ app }).pluck('host');
      for (const batch of batches(hosts, AT_ONCE)) {
        await trx('hosts')
          .whereIn('id', [...batch])
          .increment('generation', 1);
      }
      await trx('host_targets').where({ app }).delete();
      for (const table of ['rollouts', 'placements', 'app_secrets', 'release_images', 'releases']) {
        await trx(table).where({ app }).delete();
      }
      return (await trx('apps').where({ name: app }).delete()) > 0 ? hosts : undefined;
    });
  }

  async followers(repository: string, tag: string): Promise<readonly Follower[]> {
    const images = () =>
      this.#knex('release_images as i').whereRaw('i.app = apps.name and i.release = apps.latest');
    const tags = images().whereNotNull('i.tag').countDistinct(this.#knex.raw("i.repository || ':' || i.tag"));
    const rows: readonly { name: string; tags: number | string }[] = await this.#knex('apps')
      .where({ follow: 'following' })
      .whereExists(images().where({ 'i.repository': repository, 'i.tag': tag }))
      .orderBy('name')
      .select('name', tags.as('tags'));
    return rows.map((row) => ({ name: row.name, tags: Number(row.tags) }));
  }

  async placements(app: string): Promise<readonly Placement[]> {
    const rows: readonly PlacementRow[] = await this.#knex('placements')
      .where({ app })
      .orderBy(['service', 'host'])
      .select();
    return rows.map(placementOf);
  }

  async allPlacements(): Promise<ReadonlyMap<string, readonly Placement[]>> {
    const rows: readonly PlacementRow[] = await this.#knex('placements')
      .orderBy(['app', 'service', 'host'])
      .select();
    const byApp = Map.groupBy(rows, ({ app }) => app);
    return new Map([...byApp].map(([app, own]) => [app, own.map(placementOf)]));
  }

  async endMove(app: string, { placements, revision }: MoveEnd): Promise<void> {
    await inTransaction(this.#knex, async (trx) => {
      if (!(await endRollout(trx, app, revision))) return;
      if (placements !== undefined) await replacePlacements(trx, app, placements);
    });
  }

  async rollouts(which: { readonly going?: boolean } = {}): Promise<readonly StoredRollout[]> {
    return (await this.#knex('rollouts').where(which).orderBy('app').select()).map(rolloutOf);
  }

  async findRollout(app: string): Promise<StoredRollout | undefined> {
    const row = await this.#knex('rollouts').where({ app }).first();
    return row && rolloutOf(row);
  }

  saveRollout({ app, release, state, revision }: StoredRollout): Promise<void> {
    return inTransaction(this.#knex, async (trx) => {
      const row = { release, state: JSON.stringify(state), revision, going: true };
      const before = revision - 1;
      if (before > 0) {
        if ((await trx('rollouts').where({ app, revision: before }).update(row)) === 0) throw changed(app);
        return;
      }
      if ((await trx('rollouts').where({ app }).first('app')) !== undefined) throw changed(app);
      await trx('rollouts').insert({ app, ...row });
    });
  }

  setSecret(app: string, secret: Omit<StoredSecret, 'version'>): Promise<number> {
    return inTransaction(this.#knex, async (trx) => {
      const { name, sealed, createdAt, createdBy } = secret;
      const newest = await trx('app_secrets').where({ app, name }).max({ version: 'version' }).first();
      if (newest?.version == null) await refuseMoreSecrets(trx, app);
      const version = Number(newest?.version ?? (await newestNamed(trx, app, name))) + 1;
      const created = { created_at: createdAt.getTime(), created_by: createdBy };
      await trx('app_secrets').insert({ app, name, version, sealed, ...created });
      await dropOldSecrets(trx, app);
      return version;
    });
  }

  async secrets(app: string): Promise<readonly StoredSecret[]> {
    const rows: readonly SecretRow[] = await this.#knex('app_secrets as s')
      .where({ app })
      .whereRaw(
        'version = (select max(n.version) from app_secrets n where n.app = s.app and n.name = s.name)',
      )
      .orderBy('name')
      .select();
    return rows.map(secretOf);
  }

  async secretVersions(app: string): Promise<readonly Pick<StoredSecret, 'name' | 'version'>[]> {
    return await this.#knex('app_secrets').where({ app }).select('name', 'version');
  }

  async findSecret(app: string, name: string, version: number): Promise<StoredSecret | undefined> {
    const row: SecretRow | undefined = await this.#knex('app_secrets').where({ app, name, version }).first();
    return row && secretOf(row);
  }

  removeSecret(app: string, name: string): Promise<boolean> {
    return inTransaction(this.#knex, async (trx) => {
      await refuseUsedSecret(trx, app, name);
      return (await trx('app_secrets').where({ app, name }).delete()) > 0;
    });
  }

  holders(digest: Digest, repository?: string): Promise<readonly ImageHolder[]> {
    return holdersOf(this.#knex, digest, repository);
  }
}

async function beginRollout(
  trx: Knex.Transaction,
  { app, createdAt }: NewRelease,
  release: number,
  begin: BeginRollout,
): Promise<void> {
  const row = await trx('rollouts').where({ app }).first();
  const before = row && rolloutOf(row);
  const state = JSON.stringify(begin(release, before?.state));
  // A new app with the name of a removed one has its own revisions.
  const revision = (before?.revision ?? createdAt.getTime()) + 1;
  const rollout = { app, release, state, revision, going: true };
  await trx('rollouts').insert(rollout).onConflict('app').merge();
}

/** Ends a rollout; returns false when the app has another one by now, or none. */
async function endRollout(trx: Knex.Transaction, app: string, revision: number): Promise<boolean> {
  return (await trx('rollouts').where({ app, revision }).update({ going: false })) > 0;
}

async function insertApp(
  trx: Knex.Transaction,
  { app, createdAt }: NewRelease,
  change: AppChange,
): Promise<void> {
  const [row] = await trx('apps').count({ count: '*' });
  if (Number(row?.count ?? 0) >= MAX_APPS) {
    throw new AppError('too-many', `there are ${MAX_APPS} apps already: remove one that is no longer needed`);
  }
  await trx('apps').insert({
    name: app,
    constraints: '[]',
    follow: 'off',
    ...columnsOf(change),
    latest: 1,
    created_at: createdAt.getTime(),
  });
}

/** Inserts the images in the same transaction: from here on garbage collection and deletes keep the manifests. */
async function insertImages(
  trx: Knex.Transaction,
  app: string,
  release: number,
  images: Readonly<Record<string, PinnedImage>>,
): Promise<void> {
  const own = Object.entries(images).filter(([, { registry }]) => registry === undefined);
  for (const [service, { repository, digest, tag }] of own) {
    const there = await trx('manifests as m')
      .join('repositories as p', 'p.id', 'm.repository_id')
      .where({ 'p.name': repository, 'm.digest': digest })
      .first('m.digest');
    if (there === undefined) {
      throw new AppError(
        'image-gone',
        `${repository}@${digest}, the image of ${service}, does not exist any more`,
      );
    }
    await trx('release_images').insert({ app, release, service, repository, tag: tag ?? null, digest });
  }
}

/** Refuses a release if another app has taken the routes or ports meanwhile. */
async function refuseOthers(trx: Knex.Transaction, app: string, known: LatestReleases): Promise<void> {
  const rows: readonly Pick<AppRow, 'name' | 'latest'>[] = await trx('apps')
    .whereNot({ name: app })
    .select('name', 'latest');
  const other = rows.find(({ name, latest }) => known.get(name) !== latest);
  if (other === undefined) return;
  throw new AppError('others-changed', `${other.name} was deployed at the same time as ${app}: try again`);
}

/** Returns the highest version of a secret in any release; 0 if there is none. */
async function newestNamed(trx: Knex.Transaction, app: string, name: string): Promise<number> {
  const texts: readonly string[] = await trx('releases').where({ app }).pluck('secrets');
  return Math.max(0, ...texts.map((text) => Number(JSON.parse(text)[name] ?? 0)));
}

async function refuseMoreSecrets(trx: Knex.Transaction, app: string): Promise<void> {
  const names = await trx('app_secrets').where({ app }).distinct('name');
  if (names.length < MAX_SECRETS) return;
  throw new AppError(
    'too-many',
    `${app} has ${MAX_SECRETS} secrets already: remove one that is no longer needed`,
  );
}

function columnsOf({ on, follow }: AppChange) {
  return {
    ...(on !== undefined && { constraints: JSON.stringify(on) }),
    ...(follow !== undefined && { follow }),
  };
}

function changed(app: string): AppError {
  return new AppError(
    'changed',
    `another change of ${app} was made at the same time: check it, and try again`,
  );
}
