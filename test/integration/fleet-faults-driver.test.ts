import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { type Rollout, startRollout } from '../../fleet/rollout.ts';
import { FleetSignals } from '../../server/fleet/fleet-signals.ts';
import { RolloutDriver } from '../../server/fleet/rollout-driver.ts';
import { rolloutHosts } from '../../server/fleet/seen-hosts.ts';
import { openDatabase } from '../../storage/catalog/database.ts';
import { openCatalog } from '../../storage/catalog/knex-catalog.ts';
import { KnexAppStore } from '../../storage/fleet/knex-app-store.ts';
import { KnexHostStore } from '../../storage/fleet/knex-host-store.ts';
import { SecretsKey } from '../../storage/fleet/secrets-key.ts';
import { defer } from '../support/cleanup.ts';
import { digestOf } from '../support/content.ts';
import { healthyReport } from '../support/fleet-registry.ts';
import { appOf } from '../support/fleet-samples.ts';
import { FACTS } from '../support/joined-host.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';

const HOSTS = 200;
const APPS = 40;

test('a driver of many apps on 200 hosts makes few statements, whatever it does', async (t) => {
  const folder = await makeTempDir(t, 'driver');
  const knex = await openDatabase({ file: `${folder}/catalog.sqlite` });
  defer(t, () => knex.destroy());
  await openCatalog(knex);
  const apps = new KnexAppStore(knex);
  const hosts = new KnexHostStore(knex);
  // Its statements do not count.
  const other = await openDatabase({ file: `${folder}/catalog.sqlite` });
  defer(t, () => other.destroy());
  const ids = Array.from({ length: HOSTS }, (_, index) => `host${index}`);
  const rows = ids.map((id) => ({
    ...{ id, name: id, public_key: id, recipient: id, labels: '{}', facts: JSON.stringify(FACTS) },
    ...{ joined_at: 0, seen_at: Date.now(), connection: 'one' },
  }));
  await knex.batchInsert('hosts', rows, 50);
  const spec = await appOf('services: {web: {image: registry/web, deploy: {update_config: {monitor: 0s}}}}');
  const placements = ids.map((host, index) => ({ service: 'web', host, instances: [index + 1] }));
  const names = Array.from({ length: APPS }, (_, index) => `app${index}`);
  const images = { web: { registry: 'other', repository: 'web', digest: digestOf('web') } };
  const deploy = async (app: string) => {
    const found = await apps.find(app);
    const begin = (release: number, last: unknown) =>
      startRollout({
        ...{ app, release, placements, spec, kind: 'release', timeout: 60_000, jobs: false, atOnce: false },
        ...(found?.current !== undefined && { current: found.current }),
        currentPlacements: found?.current === undefined ? [] : placements,
        hosts: rolloutHosts(known, app, Date.now()),
        lastAttempt: (last as Rollout | undefined)?.attempt ?? 0,
        now: Date.now(),
      });
    const cause = { kind: 'deploy', by: '' } as const;
    const made = { app, spec, images, secrets: {}, cause, createdAt: new Date() };
    await apps.createRelease(made, {}, found?.latest ?? 0, begin);
  };
  const known = await hosts.list([]);
  for (const app of names) {
    await deploy(app);
    const revision = Number((await apps.findRollout(app))?.revision);
    const state = { ...((await apps.findRollout(app))?.state as Rollout), phase: 'done' as const };
    await apps.saveRollout({ app, release: 1, state, revision: revision + 1 });
    await apps.endRelease(app, 1, { state: 'done', at: new Date(), placements, revision: revision + 1 });
  }

  const signals = new FleetSignals();
  let statements = 0;
  let looks = 0;
  const ends: string[] = [];
  const driver = new RolloutDriver({
    ...{ apps, hosts, signals, secretsKey: new SecretsKey(`${folder}/key`), log: pino({ level: 'silent' }) },
    duty: {
      take: async () => {
        looks += 1;
        return true;
      },
      drop: async () => {},
    },
    onEnd: async ({ app }) => {
      ends.push(app.name);
    },
  });
  knex.on('query', () => {
    statements += 1;
  });
  const stop = new AbortController();
  const running = driver.run(stop.signal);
  defer(t, async () => {
    stop.abort();
    await running;
  });
  // The first look is at the hosts of all apps.
  await waitUntil('it has looked', () => looks > 1);
  const first = statements;
  assert.ok(first < 40, `${first} statements of the first look`);

  statements = 0;
  looks = 0;
  for (let count = 1; count <= 5; count += 1) {
    signals.appsChanged(['app1']);
    await waitUntil('it has looked again', () => looks > count);
  }
  assert.ok(statements <= 3 * looks + first, `${statements} statements of ${looks} idle looks`);

  await deploy('app1');
  statements = 0;
  looks = 0;
  signals.appsChanged(['app1']);
  // All hosts report at once when a wave has been told.
  let told = 0;
  await waitUntil('the rollout ends', async () => {
    const targets = await new KnexHostStore(other).appTargets('app1', ids);
    const fresh = [...targets].filter(([, { release }]) => release.number === 2);
    if (fresh.length > told) {
      told = fresh.length;
      const reports = fresh.map(([host, { attempt }]) => ({
        ...{ host, app: 'app1', reported_at: 0 },
        report: JSON.stringify({ ...healthyReport('app1', 2), attempt }),
      }));
      for (let at = 0; at < reports.length; at += 50) {
        await other('host_reports')
          .insert(reports.slice(at, at + 50))
          .onConflict(['host', 'app'])
          .merge();
      }
      signals.appsChanged(['app1']);
    }
    return ends.length > 0;
  });
  assert.equal(ends.join(), 'app1');
  assert.equal(told, HOSTS);
  assert.ok(statements < 200, `${statements} statements of a rollout`);
});
