import type { Knex } from 'knex';
import { AppError, KEPT_RELEASES } from '../../fleet/app-store.ts';
import type { ReleaseState } from '../../fleet/release.ts';
import { batches } from '../catalog/rows.ts';
import type { AppRow, ReleaseRow } from './app-rows.ts';

/** Rows of one statement, whose values databases limit. */
const AT_ONCE = 100;

/** States of releases in progress. */
export const UNENDED: readonly ReleaseState[] = ['rolling', 'rolling back', 'paused'];

/** Drops the images of releases that no automatic rollback needs. */
export async function dropOldImages(trx: Knex.Transaction, app: string): Promise<void> {
  const kept = await keptReleases(trx, app);
  if (kept.length > 0)
    await trx('release_images')
      .where({ app })
      .whereNotIn('release', [...kept])
      .delete();
}

/**
 * Deletes the versions of secrets that no kept release uses, except the newest two: a release may be about to use them.
 */
export async function dropOldSecrets(trx: Knex.Transaction, app: string): Promise<void> {
  const versions: readonly { readonly name: string; readonly version: number }[] = await trx('app_secrets')
    .where({ app })
    .orderBy('version', 'desc')
    .select('name', 'version');
  const many = [...Map.groupBy(versions, ({ name }) => name)].filter(([, all]) => all.length > 2);
  if (many.length === 0) return;
  const kept = await keptReleases(trx, app);
  const texts: readonly string[] = await trx('releases')
    .where({ app })
    .whereIn('number', [...kept])
    .pluck('secrets');
  const named = texts.map((text) => JSON.parse(text) as Readonly<Record<string, number>>);
  for (const [name, all] of many) {
    const old = all.slice(2).map(({ version }) => version);
    const unused = old.filter((version) => !named.some((secrets) => secrets[name] === version));
    for (const batch of batches(unused, AT_ONCE)) {
      await trx('app_secrets')
        .where({ app, name })
        .whereIn('version', [...batch])
        .delete();
    }
  }
}

/** Returns the current release, the latest, and the older ones that an automatic rollback may need. */
async function keptReleases(trx: Knex.Transaction, app: string): Promise<readonly number[]> {
  const row: AppRow | undefined = await trx('apps').where({ name: app }).first();
  if (row === undefined) return [];
  const current = row.current ?? row.latest;
  const before: readonly number[] = await trx('releases')
    .where({ app, state: 'done' })
    .where('number', '<', current)
    .orderBy('number', 'desc')
    .limit(KEPT_RELEASES)
    .pluck('number');
  return [...before, current, row.latest];
}

/** Throws AppError 'in-use' for a secret that the current release uses, or one in progress. */
export async function refuseUsedSecret(trx: Knex.Transaction, app: string, name: string): Promise<void> {
  const row: AppRow | undefined = await trx('apps').where({ name: app }).first();
  const numbers = [row?.current, row?.latest].filter((number) => number != null);
  const releases: readonly Pick<ReleaseRow, 'number' | 'secrets' | 'state'>[] = await trx('releases')
    .where({ app })
    .whereIn('number', numbers)
    .select('number', 'secrets', 'state');
  const user = releases.find(
    ({ number, secrets, state }) =>
      Object.hasOwn(JSON.parse(secrets), name) && (number === row?.current || UNENDED.includes(state)),
  );
  if (user !== undefined) {
    throw new AppError(
      'in-use',
      `release ${user.number} of ${app} uses the secret ${name}: deploy the app without it first`,
    );
  }
}
