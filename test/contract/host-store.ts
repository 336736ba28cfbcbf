import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { HostFacts } from '../../fleet/host.ts';
import type { HostStore, JoinToken, NewHost } from '../../fleet/host-store.ts';
import type { AppReport } from '../../fleet/report.ts';
import type { AppTarget } from '../../fleet/target.ts';
import type { AuditEntry } from '../../storage/catalog/audit-catalog.ts';
import { recordingChange } from '../../storage/catalog/recorded-change.ts';

export interface HostStoreHarness {
  readonly hosts: HostStore;
  /** Another one over the same database, as another process has it. */
  readonly other: HostStore;
  close(): Promise<void>;
}

/** Of this day: the store forgets tokens by the clock of the machine. */
const NOW = new Date(Math.floor(Date.now() / 1000) * 1000);
const HOUR = 60 * 60 * 1000;

const FACTS: HostFacts = {
  version: '0.1.0',
  operatingSystem: 'Debian GNU/Linux 13 (trixie)',
  platform: 'linux/amd64',
  processors: 2,
  memory: 2 ** 33,
  allows: ['bind'],
  ingress: false,
};

const tokenOf = (id: string, more: Partial<JoinToken> = {}): JoinToken => ({
  id,
  secretHash: `hash of ${id}`,
  labels: {},
  expiresAt: new Date(NOW.getTime() + HOUR),
  createdBy: 'ada',
  ...more,
});

const hostOf = (id: string, more: Partial<NewHost> = {}): NewHost => ({
  id,
  name: `name-of-${id.toLowerCase()}`,
  publicKey: `key of ${id}`,
  recipient: `age1${id}`,
  labels: {},
  facts: FACTS,
  ...more,
});

const nameOf = (id: string) => ({ id, name: hostOf(id).name });

const targetOf = (app: string, number = 1): AppTarget => ({
  app,
  release: { number, services: [], volumes: [], networks: [], configs: [], secrets: [] },
  attempt: 1,
  timeout: 60_000,
  prefetch: [],
  keep: [],
});

const reportOf = (app: string, more: Partial<AppReport> = {}): AppReport => ({
  app,
  release: 1,
  attempt: 1,
  phase: 'healthy',
  instances: [],
  jobs: {},
  prefetched: true,
  ...more,
});

/** What a HostStore promises; see fleet/host-store.ts. */
export function describeHostStore(name: string, open: () => Promise<HostStoreHarness>): void {
  describe(`hosts of ${name}`, () => {
    let harness: HostStoreHarness;
    let hosts: HostStore;

    beforeEach(async () => {
      harness = await open();
      hosts = harness.hosts;
    });

    afterEach(() => harness.close());

    const join = async (id: string, more: Partial<NewHost> = {}, now = NOW) => {
      await hosts.createToken(tokenOf(id));
      return hosts.join(`hash of ${id}`, hostOf(id, more), now);
    };
    const reportsOf = async (id: string) => (await hosts.find(id))?.reports;

    test('a token makes one host, which has the labels of both', async () => {
      await hosts.createToken(tokenOf('T', { labels: { role: 'web', zone: 'a' } }));
      const made = hostOf('H', { labels: { role: 'db', disk: 'ssd' } });
      const host = await hosts.join('hash of T', made, NOW);
      const expected = {
        ...made,
        labels: { role: 'web', zone: 'a', disk: 'ssd' },
        draining: false,
        joinedAt: NOW,
        connected: false,
      };
      assert.deepEqual(host, expected);
      assert.deepEqual(await harness.other.find('H'), { ...expected, reports: [] });
      assert.deepEqual(await harness.other.find('name-of-h'), { ...expected, reports: [] });
      assert.deepEqual(await hosts.list(), [{ ...expected, reports: [] }]);
    });

    test('a token is refused that is unknown, used, or has expired', async () => {
      await join('A');
      const refused = async (token: string, code: string, now = NOW) =>
        assert.rejects(hosts.join(`hash of ${token}`, hostOf('B'), now), { name: 'HostError', code });
      await refused('nobody', 'token-unknown');
      await refused('A', 'token-used');
      await hosts.createToken(tokenOf('B'));
      await refused('B', 'token-expired', new Date(NOW.getTime() + HOUR));
      assert.deepEqual(
        (await hosts.list()).map(({ id }) => id),
        ['A'],
      );
      await hosts.join('hash of B', hostOf('B'), NOW);
    });

    test('a name that is taken uses up no token', async () => {
      await join('A', { name: 'web' });
      await hosts.createToken(tokenOf('B'));
      await assert.rejects(hosts.join('hash of B', hostOf('B', { name: 'web' }), NOW), {
        code: 'name-taken',
      });
      assert.equal((await hosts.join('hash of B', hostOf('B', { name: 'web2' }), NOW)).name, 'web2');
    });

    test('of many that use one token at once, one joins', async () => {
      await hosts.createToken(tokenOf('T'));
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          (index % 2 === 0 ? hosts : harness.other).join('hash of T', hostOf(`H${index}`), NOW),
        ),
      );
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      const reasons = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
      assert.deepEqual(new Set(reasons), new Set(['token-used']));
      assert.equal((await hosts.list()).length, 1);
    });

    test('name, labels and draining are changed one by one', async () => {
      await join('A', { labels: { role: 'web' } });
      await join('B');
      assert.equal((await hosts.update('A', { name: 'web' })).name, 'web');
      assert.deepEqual((await hosts.update('web', { labels: { role: 'db' } })).labels, { role: 'db' });
      assert.equal((await hosts.update('web', { draining: true })).draining, true);
      const { name, labels, draining } = await hosts.update('web', {});
      assert.deepEqual({ name, labels, draining }, { name: 'web', labels: { role: 'db' }, draining: true });
      assert.equal((await harness.other.find('A'))?.draining, true);
      await assert.rejects(hosts.update('B', { name: 'web' }), { code: 'name-taken' });
      await assert.rejects(hosts.update('nobody', { name: 'x' }), { code: 'unknown' });
      assert.equal((await hosts.update('web', { name: 'web' })).name, 'web');
    });

    test('a removed host takes its target and reports with it', async () => {
      await join('A');
      await hosts.setTargets([{ host: 'A', set: [targetOf('shop')], remove: [] }]);
      await hosts.report('A', [reportOf('shop')], [], NOW);
      assert.equal(await hosts.remove('A'), true);
      assert.equal(await hosts.remove('A'), false);
      assert.equal(await hosts.find('A'), undefined);
      assert.deepEqual(await hosts.target('A'), { generation: 0, apps: [] });
      assert.equal(await hosts.connect('A', 'c1', FACTS, NOW), undefined);
      await hosts.report('A', [reportOf('shop')], [], NOW);
      await hosts.setTargets([{ host: 'A', set: [targetOf('shop')], remove: [] }]);
      assert.deepEqual(await hosts.target('A'), { generation: 0, apps: [] });
    });

    test('a newer connection takes over, and the older one changes nothing any more', async () => {
      await join('A');
      assert.deepEqual(await hosts.connect('A', 'c1', FACTS, NOW), {});
      const facts = { ...FACTS, memory: 1 };
      const later = new Date(NOW.getTime() + 1000);
      assert.deepEqual(await harness.other.connect('A', 'c2', facts, later), { replaced: 'c1' });
      await hosts.disconnect('A', 'c1', new Date(NOW.getTime() + 2000));
      const host = await hosts.find('A');
      assert.deepEqual(
        [host?.connected, host?.facts, host?.seenAt],
        [true, facts, later],
        'the older one ended',
      );
      assert.deepEqual(await hosts.heard(new Map([['A', 'c1']]), new Date(NOW.getTime() + 3000)), ['A']);
      assert.deepEqual((await hosts.find('A'))?.seenAt, later);
      const last = new Date(NOW.getTime() + 4000);
      await hosts.disconnect('A', 'c2', last);
      const ended = await hosts.find('A');
      assert.deepEqual([ended?.connected, ended?.seenAt], [false, last]);
      assert.deepEqual(await hosts.connect('A', 'c3', FACTS, last), {});
    });

    test('hosts that were heard of are recorded together', async () => {
      for (const id of ['A', 'B', 'C']) {
        await join(id);
        await hosts.connect(id, `of ${id}`, FACTS, NOW);
      }
      await hosts.remove('C');
      const later = new Date(NOW.getTime() + 30_000);
      const heard = new Map(['A', 'C', 'nobody'].map((id) => [id, `of ${id}`]));
      assert.deepEqual(await hosts.heard(heard, later), ['C', 'nobody']);
      assert.deepEqual(
        (await hosts.list()).map(({ id, seenAt }) => [id, seenAt]),
        [
          ['A', later],
          ['B', NOW],
        ],
      );
      assert.deepEqual(await hosts.heard(new Map(), later), []);
    });

    test('a host that asks by plain requests counts as connected', async () => {
      await join('A');
      await hosts.polled('A', NOW);
      const host = await hosts.find('A');
      assert.deepEqual([host?.connected, host?.seenAt], [true, NOW]);
      const later = new Date(NOW.getTime() + 1000);
      assert.deepEqual(await hosts.connect('A', 'c1', FACTS, later), {}, 'it replaced no connection');
      await hosts.polled('A', later);
      assert.deepEqual(
        await hosts.heard(new Map([['A', 'c1']]), later),
        [],
        'the connection is still its own',
      );
      await hosts.polled('nobody', later);
    });

    test('hosts are counted by state', async () => {
      for (const id of ['A', 'B', 'C', 'D', 'E']) await join(id);
      for (const id of ['A', 'B', 'C', 'D']) await hosts.connect(id, `of ${id}`, FACTS, NOW);
      await hosts.update('B', { draining: true });
      await hosts.disconnect('C', 'of C', NOW);
      const soon = new Date(NOW.getTime() + 1000);
      await hosts.heard(new Map([['A', 'of A']]), new Date(NOW.getTime() + 60_000));
      assert.deepEqual(await hosts.countStates(soon), { online: 2, draining: 1, offline: 1, unknown: 1 });
      const byId = new Map((await hosts.presence()).map((host) => [host.id, host]));
      const seenAt = new Date(NOW.getTime() + 60_000);
      assert.deepEqual(byId.get('A'), { ...nameOf('A'), connected: true, draining: false, seenAt });
      assert.deepEqual(byId.get('C'), { ...nameOf('C'), connected: false, draining: false, seenAt: NOW });
      assert.deepEqual(byId.get('E'), { ...nameOf('E'), connected: false, draining: false });
      const late = new Date(NOW.getTime() + 100_000);
      assert.deepEqual(await hosts.countStates(late), { online: 1, draining: 0, offline: 0, unknown: 4 });
    });

    test('each change of a target has the next generation', async () => {
      await join('A');
      await join('B');
      assert.deepEqual(await hosts.target('A'), { generation: 0, apps: [] });
      await hosts.setTargets([
        { host: 'A', set: [targetOf('shop'), targetOf('blog')], remove: [] },
        { host: 'B', set: [targetOf('shop')], remove: [] },
      ]);
      await harness.other.setTargets([{ host: 'A', set: [targetOf('shop', 2)], remove: ['blog', 'wiki'] }]);
      assert.deepEqual([...(await hosts.appTargets('shop', ['A', 'none']))], [['A', targetOf('shop', 2)]]);
      assert.equal((await hosts.appTargets('blog', ['A'])).size, 0);
      // No rollout has this revision.
      const late = { app: 'blog', revision: 1 };
      assert.equal(await hosts.setTargets([{ host: 'A', set: [targetOf('blog')], remove: [] }], late), false);
      assert.deepEqual(await hosts.target('A'), { generation: 2, apps: [targetOf('shop', 2)] });
      assert.deepEqual(await hosts.target('B'), { generation: 1, apps: [targetOf('shop')] });
      await hosts.setTargets([{ host: 'A', set: [], remove: ['shop'] }]);
      assert.deepEqual(await hosts.target('A'), { generation: 3, apps: [] });
    });

    test('changes at the same time each have a generation of their own', async () => {
      await join('A');
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? hosts : harness.other).setTargets([
            { host: 'A', set: [targetOf(`app${index}`)], remove: [] },
          ]),
        ),
      );
      const { generation, apps } = await hosts.target('A');
      assert.deepEqual([generation, apps.length], [20, 20]);
    });

    test('targets are newer than the generations that somebody knows', async () => {
      for (const id of ['A', 'B', 'C']) await join(id);
      const change = (host: string) => hosts.setTargets([{ host, set: [targetOf('shop')], remove: [] }]);
      await change('A');
      await change('A');
      await change('B');
      await change('C');
      const known = new Map([
        ['A', 1],
        ['B', 1],
        ['nobody', 0],
      ]);
      assert.deepEqual(await harness.other.newerTargets(known), new Map([['A', 2]]));
      assert.deepEqual(await hosts.newerTargets(new Map()), new Map());
    });

    test('a host reports apps of its target, and of those that it has not said are gone', async () => {
      await join('A');
      await join('B');
      await hosts.setTargets([
        { host: 'A', set: [targetOf('shop'), targetOf('blog')], remove: [] },
        { host: 'B', set: [targetOf('wiki')], remove: [] },
      ]);
      await hosts.report('A', [reportOf('shop'), reportOf('wiki')], [], NOW);
      assert.deepEqual(await reportsOf('A'), [reportOf('shop')]);
      const about = async (apps: readonly string[]) =>
        (await hosts.list(apps)).flatMap(({ reports }) => reports.map(({ app }) => app));
      assert.deepEqual(
        [await about(['shop', 'blog']), await about(['blog']), await about([])],
        [['shop'], [], []],
      );
      const failed = reportOf('shop', { phase: 'failed', reason: 'it was never healthy' });
      await hosts.report('A', [failed, reportOf('blog')], [], NOW);
      assert.deepEqual(await reportsOf('A'), [reportOf('blog'), failed]);
      assert.deepEqual(await reportsOf('B'), []);
      await hosts.setTargets([{ host: 'A', set: [], remove: ['shop'] }]);
      const stopped = reportOf('shop', { phase: 'stopped' });
      await hosts.report('A', [stopped], [], NOW);
      assert.deepEqual(await reportsOf('A'), [reportOf('blog'), stopped]);
      await hosts.report('A', [], ['shop', 'nothing'], NOW);
      await hosts.report('A', [reportOf('shop')], [], NOW);
      assert.deepEqual(await reportsOf('A'), [reportOf('blog')]);
    });

    test('the audit records a change in its transaction, and none without a change', async () => {
      const entry = (): AuditEntry => ({ at: NOW, action: 'manage', outcome: 'done', count: 1 });
      await join('A');
      assert.equal(await recordingChange(entry, () => hosts.remove('nobody')), false);
      assert.equal(await recordingChange(entry, () => hosts.connect('A', 'c1', FACTS, NOW)), false);
      assert.equal(await recordingChange(entry, () => hosts.update('A', { draining: true })), true);
      assert.equal(await recordingChange(entry, () => hosts.remove('A')), true);
    });

    test('there are at most a thousand join tokens', async () => {
      for (let count = 0; count < 1000; count += 1) await hosts.createToken(tokenOf(`T${count}`));
      await assert.rejects(hosts.createToken(tokenOf('more')), { code: 'too-many-tokens' });
    });
  });
}
