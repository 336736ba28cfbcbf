import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AppError, type AppErrorCode, type AppStore, type NewRelease } from '../../fleet/app-store.ts';
import type { AppSpec, PinnedImage } from '../../fleet/service.ts';
import { MEDIA_TYPES } from '../../oci/media-types.ts';
import type { Catalog } from '../../storage/catalog/catalog.ts';
import { ImageRunsError } from '../../storage/errors.ts';
import { digestOf } from '../support/content.ts';

/** An empty database of a registry, for one test. */
export interface AppStoreHarness {
  readonly apps: AppStore;
  readonly catalog: Catalog;
  /** Deletes what is garbage now, without a grace period. */
  collect(): Promise<void>;
  close(): Promise<void>;
}

const SPEC: AppSpec = { services: [], volumes: [], networks: [], configs: [], secrets: [] };
const ADMIN = { name: 'ada', standing: 'admin' } as const;
const AT = new Date(1_800_000_000_000);

/** What every AppStore promises; see fleet/app-store.ts. */
export function describeAppStore(name: string, open: () => Promise<AppStoreHarness>): void {
  describe(`${name} as an AppStore`, () => {
    let harness: AppStoreHarness;
    let apps: AppStore;
    let catalog: Catalog;
    beforeEach(async () => {
      harness = await open();
      ({ apps, catalog } = harness);
    });
    afterEach(() => harness.close());

    const push = (text: string, ...tags: readonly string[]) =>
      catalog.manifests.put(
        'team/web',
        {
          blob: { digest: digestOf(text), size: text.length, location: `somewhere/${text}` },
          mediaType: MEDIA_TYPES.ociManifest,
          references: [],
        },
        { tags, requireManifests: true },
      );
    const image = (text: string, tag = 'main'): PinnedImage => ({
      repository: 'team/web',
      tag,
      digest: digestOf(text),
    });
    const release = (app: string, images: Readonly<Record<string, PinnedImage>>): NewRelease => ({
      app,
      spec: SPEC,
      images,
      secrets: {},
      cause: { kind: 'deploy', by: 'ada' },
      createdAt: AT,
    });
    const deploy = async (app: string, text: string) => {
      await push(text, 'main');
      const { latest = 0 } = (await apps.find(app)) ?? {};
      return apps.createRelease(release(app, { web: image(text) }), {}, latest);
    };
    const finish = async (app: string, text: string) => {
      const { number } = await deploy(app, text);
      await apps.endRelease(app, number, { state: 'done', at: AT });
      return number;
    };
    const refused = (code: AppErrorCode) => (error: unknown) =>
      error instanceof AppError && error.code === code;
    const isKept = async (text: string) =>
      (await catalog.manifests.findByDigest('team/web', digestOf(text))) !== undefined;

    test('numbers the releases of an app from 1, and keeps what they were made of', async () => {
      await push('one', 'main');
      const made = await apps.createRelease(
        { ...release('team/shop', { web: image('one') }), secrets: { PASSWORD: 3 } },
        { on: [{ key: 'role', operator: '==', value: 'web' }], follow: 'following' },
        0,
      );
      assert.equal(made.number, 1);
      assert.deepEqual(await apps.find('team/shop'), {
        name: 'team/shop',
        on: [{ key: 'role', operator: '==', value: 'web' }],
        follow: 'following',
        latest: 1,
        createdAt: AT,
      });
      assert.deepEqual(await apps.findRelease('team/shop', 1), {
        ...release('team/shop', { web: image('one') }),
        secrets: { PASSWORD: 3 },
        number: 1,
        state: 'rolling',
      });
      assert.equal(await finish('team/shop', 'two'), 2);
      assert.deepEqual(
        (await apps.releases('team/shop', 10)).map(({ number, state }) => [number, state]),
        [
          [2, 'done'],
          [1, 'superseded'],
        ],
      );
      assert.equal((await apps.find('team/shop'))?.current, 2);
      assert.deepEqual(
        (await apps.list()).map(({ name }) => name),
        ['team/shop'],
      );
    });

    test('of two deploys at once one is refused, and nothing of it remains', async () => {
      await finish('team/shop', 'one');
      await push('two', 'main');
      const both = await Promise.allSettled([
        apps.createRelease(release('team/shop', { web: image('two') }), {}, 1),
        apps.createRelease(release('team/shop', { web: image('two') }), {}, 1),
      ]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      assert.equal((await apps.releases('team/shop', 10)).length, 2);
      await assert.rejects(apps.createRelease(release('team/new', {}), {}, 1), refused('changed'));
      assert.equal(await apps.find('team/new'), undefined);
    });

    test('refuses a release whose image is gone', async () => {
      const missing = apps.createRelease(release('team/shop', { web: image('none') }), {}, 0);
      await assert.rejects(missing, refused('image-gone'));
      assert.equal(await apps.find('team/shop'), undefined);
    });

    test('a release ends once', async () => {
      const { number } = await deploy('team/shop', 'one');
      await apps.setReleaseState('team/shop', number, 'rolling back', 'web on web1 exited with 1');
      assert.equal(await apps.endRelease('team/shop', number, { state: 'rolled back', at: AT }), true);
      assert.equal(await apps.endRelease('team/shop', number, { state: 'done', at: AT }), false);
      const ended = await apps.findRelease('team/shop', number);
      assert.equal(ended?.state, 'rolled back');
      assert.equal(ended?.reason, 'web on web1 exited with 1');
      assert.equal((await apps.find('team/shop'))?.current, undefined);
    });

    test('garbage collection leaves the images of the current release and of the five before it', async () => {
      for (let number = 1; number <= 8; number += 1) await finish('team/shop', `image ${number}`);
      await catalog.tags.delete('team/web', 'main');
      await harness.collect();
      const kept = await Promise.all(Array.from({ length: 8 }, (_, at) => isKept(`image ${at + 1}`)));
      assert.deepEqual(kept, [false, false, true, true, true, true, true, true]);
      await apps.remove('team/shop');
      await harness.collect();
      assert.equal(await isKept('image 8'), false);
    });

    test('what runs is not deleted unless somebody overrides it', async () => {
      await finish('team/shop', 'one');
      const digest = digestOf('one');
      const names = /team\/shop/;
      const isRunning = (error: unknown) => error instanceof ImageRunsError && names.test(error.message);
      await assert.rejects(catalog.manifests.delete('team/web', digest, ADMIN), isRunning);
      await assert.rejects(catalog.tags.delete('team/web', 'main', ADMIN), isRunning);
      await push('one', 'other');
      assert.equal(await catalog.tags.delete('team/web', 'other', ADMIN), true);
      assert.equal(await catalog.tags.delete('team/web', 'main', { ...ADMIN, overrides: true }), true);
      assert.equal(await catalog.manifests.delete('team/web', digest, { ...ADMIN, overrides: true }), true);
    });

    test('holders of a member of an index are those of the index', async () => {
      await push('member');
      await catalog.manifests.put(
        'team/web',
        {
          blob: { digest: digestOf('index'), size: 5, location: 'somewhere/index' },
          mediaType: MEDIA_TYPES.ociIndex,
          references: [{ kind: 'manifest', digest: digestOf('member') }],
        },
        { tags: ['main'], requireManifests: true },
      );
      await apps.createRelease(release('team/shop', { web: image('index') }), {}, 0);
      const expected = {
        ...{ app: 'team/shop', release: 1, service: 'web', repository: 'team/web', tag: 'main' },
        ...{ digest: digestOf('index'), runs: true },
      };
      assert.deepEqual(await apps.holders(digestOf('member')), [expected]);
      assert.deepEqual(await apps.holders(digestOf('index'), 'team/web'), [expected]);
      assert.deepEqual(await apps.holders(digestOf('index'), 'team/other'), []);
      await assert.rejects(catalog.manifests.delete('team/web', digestOf('member'), ADMIN), ImageRunsError);
    });

    test('followers are the apps that follow and whose latest release has the tag', async () => {
      await finish('team/shop', 'one');
      await finish('team/other', 'one');
      await apps.change('team/shop', { follow: 'following' });
      const names = async (tag: string) => (await apps.followers('team/web', tag)).map(({ name }) => name);
      assert.deepEqual(await names('main'), ['team/shop']);
      assert.deepEqual(await names('next'), []);
      await apps.change('team/shop', { follow: 'held' });
      assert.deepEqual(await names('main'), []);
      await assert.rejects(apps.change('team/none', { follow: 'off' }), refused('unknown'));
    });

    test('a follower says how many different tags it has', async () => {
      await push('one', 'main', 'next');
      const images = { web: image('one'), worker: image('one'), cron: { ...image('one'), tag: 'next' } };
      await apps.createRelease(release('team/shop', images), {}, 0);
      await apps.change('team/shop', { follow: 'following' });
      assert.deepEqual(await apps.followers('team/web', 'main'), [{ name: 'team/shop', tags: 2 }]);
    });

    test('a rollout is saved by whoever knew the one before', async () => {
      await deploy('team/shop', 'one');
      const rollout = { app: 'team/shop', release: 1, state: { wave: 1 }, revision: 1 };
      await apps.saveRollout(rollout);
      await assert.rejects(apps.saveRollout({ ...rollout, state: {} }), refused('changed'));
      await apps.saveRollout({ ...rollout, state: { wave: 2 }, revision: 2 });
      await assert.rejects(apps.saveRollout({ ...rollout, revision: 2 }), refused('changed'));
      assert.deepEqual(await apps.findRollout('team/shop'), { ...rollout, state: { wave: 2 }, revision: 2 });
      assert.equal((await apps.rollouts()).length, 1);
    });

    test('a release and its rollout begin together', async () => {
      await push('one', 'main');
      const begin = (number: number, before: unknown) => ({ number, before });
      await apps.createRelease(release('team/shop', { web: image('one') }), {}, 0, begin);
      await apps.createRelease(release('team/shop', { web: image('one') }), {}, 1, begin);
      assert.deepEqual(await apps.findRollout('team/shop'), {
        app: 'team/shop',
        release: 2,
        state: { number: 2, before: { number: 1 } },
        revision: AT.getTime() + 2,
      });
    });

    test('the end of a rollout that another one has replaced is not recorded', async () => {
      await push('one', 'main');
      const begin = () => ({});
      await apps.createRelease(release('team/shop', { web: image('one') }), {}, 0, begin);
      const revision = Number((await apps.findRollout('team/shop'))?.revision);
      const end = { state: 'done', at: AT, placements: [] } as const;
      assert.equal(await apps.endRelease('team/shop', 1, { ...end, revision: revision - 1 }), false);
      assert.equal((await apps.find('team/shop'))?.current, undefined);
      assert.equal(await apps.endRelease('team/shop', 1, { ...end, revision }), true);
    });

    test('a rollout goes on until its end is recorded', async () => {
      await push('one', 'main');
      const going = async () => (await apps.rollouts({ going: true })).map(({ app }) => app);
      const revisionOf = async (app: string) => Number((await apps.findRollout(app))?.revision);
      for (const app of ['team/blog', 'team/shop']) {
        await apps.createRelease(release(app, { web: image('one') }), {}, 0, () => ({}));
      }
      assert.deepEqual(await going(), ['team/blog', 'team/shop']);
      const revision = await revisionOf('team/shop');
      assert.equal(await apps.endRelease('team/shop', 1, { state: 'done', at: AT, revision }), true);
      assert.deepEqual(await going(), ['team/blog']);
      await apps.saveRollout({ app: 'team/shop', release: 1, state: {}, revision: revision + 1 });
      assert.deepEqual(await going(), ['team/blog', 'team/shop']);
      await apps.endMove('team/shop', { revision });
      assert.deepEqual(await going(), ['team/blog', 'team/shop']);
      await apps.endMove('team/shop', { revision: revision + 1, placements: [] });
      assert.deepEqual(await going(), ['team/blog']);
      assert.equal((await apps.rollouts()).length, 2);
    });

    test('an app is placed on hosts that were not removed', async () => {
      const { number } = await deploy('team/shop', 'one');
      const placements = [{ service: 'web', host: 'removed', instances: [1] }];
      assert.equal(await apps.endRelease('team/shop', number, { state: 'done', at: AT, placements }), true);
      assert.deepEqual(await apps.placements('team/shop'), []);
      assert.equal((await apps.allPlacements()).size, 0);
    });

    test('a release is refused when another app has one that its maker did not know', async () => {
      const known = new Map([['team/other', await finish('team/other', 'one')]]);
      const make = (others: ReadonlyMap<string, number>, latest = 0) =>
        apps.createRelease(release('team/shop', { web: image('one') }), {}, latest, undefined, others);
      await assert.rejects(make(new Map()), refused('others-changed'));
      await make(known);
      await deploy('team/other', 'two');
      await assert.rejects(make(known, 1), refused('others-changed'));
      const found = await apps.findReleases([
        { app: 'team/other', number: 2 },
        { app: 'team/shop', number: 1 },
        { app: 'team/shop', number: 2 },
      ]);
      assert.deepEqual(found.map(({ app, number }) => `${app} ${number}`).sort(), [
        'team/other 2',
        'team/shop 1',
      ]);
    });

    test('the states of the latest releases are known at once', async () => {
      await finish('team/other', 'one');
      await finish('team/shop', 'one');
      await deploy('team/shop', 'one');
      assert.deepEqual([...(await apps.latestStates())].sort(), [
        ['team/other', 'done'],
        ['team/shop', 'rolling'],
      ]);
    });

    test('secrets have versions', async () => {
      await deploy('team/shop', 'one');
      const secret = { name: 'PASSWORD', sealed: 'c2VhbGVk', createdAt: AT, createdBy: 'ada' };
      assert.equal(await apps.setSecret('team/shop', secret), 1);
      assert.equal(await apps.setSecret('team/shop', { ...secret, sealed: 'bmV3' }), 2);
      assert.deepEqual(await apps.secrets('team/shop'), [{ ...secret, sealed: 'bmV3', version: 2 }]);
      assert.equal((await apps.findSecret('team/shop', 'PASSWORD', 1))?.sealed, 'c2VhbGVk');
      assert.deepEqual(
        (await apps.secretVersions('team/shop')).map(({ name, version }) => `${name} ${version}`).sort(),
        ['PASSWORD 1', 'PASSWORD 2'],
      );
      assert.equal(await apps.removeSecret('team/shop', 'PASSWORD'), true);
      assert.equal(await apps.removeSecret('team/shop', 'PASSWORD'), false);
      await apps.createRelease({ ...release('team/shop', {}), secrets: { PASSWORD: 2 } }, {}, 1);
      assert.equal(await apps.setSecret('team/shop', secret), 3);
    });

    test('a secret that runs stays, and versions that no kept release names go', async () => {
      const secret = { name: 'PASSWORD', sealed: 'c2VhbGVk', createdAt: AT, createdBy: 'ada' };
      const versions = async () =>
        (await apps.secretVersions('team/shop')).map(({ version }) => version).sort((a, b) => a - b);
      assert.equal(await apps.setSecret('team/shop', secret), 1);
      await apps.createRelease({ ...release('team/shop', {}), secrets: { PASSWORD: 1 } }, {}, 0);
      await assert.rejects(apps.removeSecret('team/shop', 'PASSWORD'), { code: 'in-use' });
      await apps.endRelease('team/shop', 1, { state: 'done', at: AT });
      await assert.rejects(apps.removeSecret('team/shop', 'PASSWORD'), { code: 'in-use' });
      for (let version = 2; version <= 5; version += 1) await apps.setSecret('team/shop', secret);
      assert.deepEqual(await versions(), [1, 4, 5]);
      await apps.createRelease(release('team/shop', {}), {}, 1);
      await apps.endRelease('team/shop', 2, { state: 'done', at: AT });
      assert.deepEqual(await versions(), [1, 4, 5]);
      assert.equal(await apps.removeSecret('team/shop', 'PASSWORD'), true);
    });

    test('an app goes with all that belongs to it', async () => {
      await deploy('team/shop', 'one');
      await apps.saveRollout({ app: 'team/shop', release: 1, state: {}, revision: 1 });
      assert.deepEqual(await apps.remove('team/shop'), []);
      assert.equal(await apps.remove('team/shop'), undefined);
      assert.deepEqual([await apps.releases('team/shop', 10), await apps.rollouts()], [[], []]);
      assert.equal((await deploy('team/shop', 'one')).number, 1);
    });
  });
}
