import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AuthStore } from '../../auth/auth-store.ts';
import type { Credential } from '../../auth/credentials/credential-store.ts';
import {
  AccountExistsError,
  EntryExistsError,
  EntryUnknownError,
  SettingInvalidError,
} from '../../auth/errors.ts';
import { makeSigningKey } from '../../auth/tokens/key-ring.ts';
import type { Login } from '../../auth/tokens/login-store.ts';

const createdAt = new Date('2026-01-02T03:04:05.678Z');
const later = new Date('2099-01-02T03:04:05.678Z');
const account = (name: string, admin = false) => ({ name, passwordHash: undefined, admin, createdAt });
const credential = (id: string, more: Partial<Credential> = {}): Credential => ({
  id,
  kind: 'personal',
  name: 'laptop',
  owner: { kind: 'user', name: 'ada' },
  secretHash: `hash of ${id}`,
  createdAt,
  ...more,
});
const login = (secretHash: string, more: Partial<Login> = {}): Login => ({
  secretHash,
  family: `family of ${secretHash}`,
  subject: { kind: 'user', name: 'ada' },
  service: 'berth',
  client: 'docker',
  createdAt,
  expiresAt: later,
  replaced: false,
  ...more,
});

/** What every AuthStore promises beside its accounts. `open` gives an empty one for each test. */
export function describeAuthStore(name: string, open: (t: TestContext) => Promise<AuthStore>): void {
  const withAda = async (t: TestContext) => {
    const store = await open(t);
    await store.accounts.create(account('root', true));
    await store.accounts.create(account('ada'));
    return store;
  };

  test(`${name}: accounts are listed, changed and removed, but for the last administrator`, async (t) => {
    const { accounts } = await withAda(t);
    assert.deepEqual(
      (await accounts.list()).map((entry) => entry.name),
      ['ada', 'root'],
    );
    assert.deepEqual(await accounts.find('ada'), account('ada'));
    await assert.rejects(accounts.remove('root'), SettingInvalidError);
    await assert.rejects(accounts.update('root', { admin: false }), SettingInvalidError);
    assert.deepEqual(await accounts.find('root'), account('root', true));
    await accounts.update('ada', { admin: true, passwordHash: 'x' });
    assert.deepEqual(await accounts.find('ada'), { ...account('ada', true), passwordHash: 'x' });
    await accounts.remove('root');
    assert.equal(await accounts.find('root'), undefined);
    await assert.rejects(accounts.remove('root'), EntryUnknownError);
    await assert.rejects(accounts.update('root', { admin: true }), EntryUnknownError);
  });

  test(`${name}: teams and their members`, async (t) => {
    const { teams } = await withAda(t);
    await teams.create('ops');
    await teams.create('dev');
    await assert.rejects(teams.create('ops'), EntryExistsError);
    await teams.join('ops', 'root');
    await teams.join('ops', 'ada');
    await teams.join('ops', 'ada');
    await assert.rejects(teams.join('gone', 'ada'), EntryUnknownError);
    await assert.rejects(teams.join('ops', 'gone'), EntryUnknownError);
    assert.deepEqual(await teams.list(), [
      { name: 'dev', members: [] },
      { name: 'ops', members: ['ada', 'root'] },
    ]);
    assert.equal(await teams.leave('ops', 'root'), true);
    assert.equal(await teams.leave('ops', 'root'), false);
    await teams.setTeamsOf('ada', ['dev', 'gone'], ['dev', 'gone', 'ops']);
    assert.deepEqual(await teams.find('ops'), { name: 'ops', members: ['ada'] });
    await teams.setTeamsOf('ada', ['dev', 'ops', 'gone'], ['dev', 'gone']);
    assert.deepEqual(await teams.find('ops'), { name: 'ops', members: [] });
    assert.deepEqual(await teams.find('dev'), { name: 'dev', members: ['ada'] });
    await teams.setTeamsOf('ada', ['dev'], []);
    assert.deepEqual(await teams.find('dev'), { name: 'dev', members: [] });
    await teams.remove('dev');
    assert.equal(await teams.find('dev'), undefined);
    await assert.rejects(teams.remove('dev'), EntryUnknownError);
  });

  test(`${name}: roles are their holders', their teams' and everybody's`, async (t) => {
    const { roles, teams, accounts } = await withAda(t);
    await teams.create('ops');
    await teams.join('ops', 'ada');
    await roles.put({ holder: { kind: 'user', name: 'ada' }, pattern: 'a/*', role: 'reader' });
    await roles.put({ holder: { kind: 'user', name: 'ada' }, pattern: 'a/*', role: 'writer' });
    await roles.put({ holder: { kind: 'team', name: 'ops' }, pattern: 'a/*', role: 'maintainer' });
    await roles.put({ holder: { kind: 'public' }, pattern: 'p/*', role: 'reader' });
    for (const kind of ['user', 'team'] as const) {
      const holder = { kind, name: 'gone' };
      await assert.rejects(roles.put({ holder, pattern: 'a/*', role: 'reader' }), EntryUnknownError);
    }
    const held = async (holder: Parameters<typeof roles.heldBy>[0]) =>
      (await roles.heldBy(holder)).map(({ pattern, role }) => `${pattern} ${role}`).sort();
    assert.deepEqual(await held({ kind: 'user', name: 'ada' }), [
      'a/* maintainer',
      'a/* writer',
      'p/* reader',
    ]);
    assert.deepEqual(await held({ kind: 'user', name: 'ops' }), ['p/* reader']);
    assert.deepEqual(await held({ kind: 'team', name: 'ops' }), ['a/* maintainer', 'p/* reader']);
    assert.deepEqual(await held({ kind: 'public' }), ['p/* reader']);
    assert.equal((await roles.list()).length, 3);
    assert.equal(await roles.remove({ kind: 'public' }, 'p/*'), true);
    assert.equal(await roles.remove({ kind: 'public' }, 'p/*'), false);
    await accounts.remove('ada');
    await teams.remove('ops');
    assert.deepEqual(await roles.list(), []);
  });

  test(`${name}: credentials are found by their secret, and go with their owner`, async (t) => {
    const { credentials, accounts, teams } = await withAda(t);
    await teams.create('ops');
    const limits = [{ pattern: 'a/*', actions: ['pull'] }] as const;
    const personal = credential('1', { limits, expiresAt: later });
    const robot = credential('2', { kind: 'robot', name: 'ops+ci', owner: { kind: 'team', name: 'ops' } });
    await credentials.create(personal);
    await credentials.create(credential('3'));
    await credentials.create(robot);
    await assert.rejects(credentials.create({ ...robot, id: '4', secretHash: 'x' }), EntryExistsError);
    await assert.rejects(
      credentials.create(credential('5', { owner: { kind: 'team', name: 'gone' } })),
      EntryUnknownError,
    );
    assert.deepEqual(await credentials.find('1'), personal);
    assert.deepEqual(await credentials.findBySecret('hash of 1'), personal);
    assert.deepEqual(await credentials.findRobot('ops+ci'), robot);
    assert.equal(await credentials.findRobot('laptop'), undefined);
    assert.equal((await credentials.list('personal', personal.owner)).length, 2);
    assert.deepEqual(await credentials.list('robot'), [robot]);
    await credentials.touch('2', later);
    await credentials.replaceSecret('2', 'another', later);
    assert.deepEqual(await credentials.findBySecret('another'), {
      ...robot,
      secretHash: 'another',
      expiresAt: later,
      lastUsedAt: later,
    });
    assert.equal(await credentials.findBySecret('hash of 2'), undefined);
    await assert.rejects(credentials.replaceSecret('gone', 'y', undefined), EntryUnknownError);
    assert.equal(await credentials.remove('3'), true);
    assert.equal(await credentials.remove('3'), false);
    await accounts.remove('ada');
    await teams.remove('ops');
    assert.deepEqual([await credentials.find('1'), await credentials.find('2')], [undefined, undefined]);
  });

  test(`${name}: logins end with what they were made with`, async (t) => {
    const { logins, credentials, accounts } = await withAda(t);
    const found = async (...hashes: readonly string[]) =>
      (await Promise.all(hashes.map((hash) => logins.find(hash)))).map((entry) => entry !== undefined);
    await credentials.create(credential('1'));
    await credentials.create(credential('2'));
    const by = (id: string) => ({ subject: { kind: 'user', name: 'ada', credential: id } as const });
    for (const entry of [login('a'), login('b', by('1')), login('c', by('2'))])
      await logins.create(entry, 10);
    assert.deepEqual(await logins.find('b'), login('b', by('1')));
    await credentials.remove('1');
    assert.deepEqual(await found('a', 'b', 'c'), [true, false, true]);
    await credentials.replaceSecret('2', 'another', undefined);
    assert.deepEqual(await found('a', 'b', 'c'), [true, false, false]);
    await accounts.update('ada', { admin: true });
    assert.deepEqual(await found('a'), [true]);
    await accounts.update('ada', { passwordHash: 'another' });
    assert.deepEqual(await found('a'), [false]);
    await logins.create(login('d'), 10);
    await accounts.remove('ada');
    assert.deepEqual(await found('d'), [false]);
  });

  test(`${name}: a login is replaced once, and a family ends as a whole`, async (t) => {
    const { logins } = await withAda(t);
    await logins.create(login('a', { family: 'f', expiresAt: new Date('2098-01-01') }), 10);
    const next = login('b', { family: 'f' });
    const outcomes = await Promise.all([
      logins.replace('a', next),
      logins.replace('a', { ...next, secretHash: 'c' }),
    ]);
    assert.deepEqual([...outcomes].sort(), [false, true]);
    assert.deepEqual(await logins.find('a'), login('a', { family: 'f', replaced: true }));
    assert.equal((await logins.list('user', 'ada')).length, 1);
    assert.equal(await logins.replace('gone', next), false);
    assert.equal(await logins.endFamily('f'), true);
    assert.equal(await logins.endFamily('f'), false);
    assert.equal(await logins.find('a'), undefined);
  });

  test(`${name}: of many logins the least used end, and those whose time is over`, async (t) => {
    const { logins } = await withAda(t);
    const end = (year: number) => new Date(`${year}-01-01T00:00:00.000Z`);
    await logins.create(login('over', { expiresAt: end(2025), createdAt: end(2020) }), 3);
    for (const year of [2091, 2092, 2093]) await logins.create(login(`${year}`, { expiresAt: end(year) }), 3);
    await logins.extend('2091', end(2094));
    await logins.create(login('new'), 3);
    const left = (await logins.list('user', 'ada')).map(({ secretHash }) => secretHash).sort();
    assert.deepEqual(left, ['2091', '2093', 'new']);
    assert.equal(await logins.find('over'), undefined);
  });

  test(`${name}: one first key, whoever makes it, and those that have retired go`, async (t) => {
    const { keys } = await withAda(t);
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => makeSigningKey(createdAt)));
    assert.ok(first && second && third);
    const outcomes = await Promise.all([keys.createFirst(first), keys.createFirst(second)]);
    assert.deepEqual([...outcomes].sort(), [false, true]);
    const kept = outcomes[0] ? first : second;
    assert.deepEqual(await keys.list(createdAt), [kept]);
    await keys.rotate({ ...third, createdAt: new Date() }, later);
    const ids = async (now: Date) => (await keys.list(now)).map(({ id }) => id);
    assert.deepEqual(await ids(createdAt), [third.id, kept.id]);
    assert.deepEqual(await ids(later), [third.id]);
    assert.equal(await keys.createFirst(first), false);
  });

  test(`${name}: providers, and the sessions that they began`, async (t) => {
    const { providers, sessions } = await withAda(t);
    const provider = {
      name: 'work',
      issuer: 'https://id.example',
      clientId: 'berth',
      clientSecret: 'secret',
      nameClaim: 'preferred_username',
      groupsClaim: 'groups',
      groups: { 'cn=devs,dc=x': 'dev' },
    };
    const session = {
      secretHash: 'a',
      account: 'ada',
      provider: 'work',
      client: 'Browser/1.0',
      address: '127.0.0.1',
      createdAt,
      expiresAt: later,
    };
    await providers.create(provider);
    await assert.rejects(providers.create(provider), EntryExistsError);
    assert.deepEqual(await providers.list(), [provider]);
    assert.deepEqual(await providers.find('work'), provider);
    assert.equal(await providers.find('other'), undefined);
    const expired = { ...session, secretHash: 'b', expiresAt: new Date(createdAt.getTime() - 1) };
    await sessions.create(expired);
    assert.deepEqual(await sessions.find('b'), expired);
    await sessions.create(session);
    assert.equal(await sessions.find('b'), undefined);
    assert.deepEqual(await sessions.find('a'), session);
    await sessions.create({ ...session, secretHash: 'c', createdAt: later });
    await sessions.create({ ...session, secretHash: 'd', account: 'eve' });
    const listed = await sessions.list('ada', createdAt);
    assert.deepEqual(
      listed.map(({ secretHash }) => secretHash),
      ['c', 'a'],
    );
    assert.deepEqual(await sessions.list('ada', later), []);
    assert.equal(await sessions.remove('c'), true);
    assert.equal(await sessions.remove('c'), false);
    assert.equal(await providers.remove('work'), true);
    assert.equal(await providers.remove('work'), false);
    assert.equal(await sessions.find('a'), undefined);
  });

  test(`${name}: a changed password ends the sessions that began with the one before`, async (t) => {
    const { accounts, sessions } = await withAda(t);
    const session = { account: 'ada', client: '', address: '', createdAt, expiresAt: later };
    await sessions.create({ ...session, secretHash: 'a', provider: '' });
    await sessions.create({ ...session, secretHash: 'b', provider: 'work' });
    await accounts.update('ada', { admin: true });
    assert.equal((await sessions.list('ada', createdAt)).length, 2);
    await accounts.update('ada', { passwordHash: 'another' });
    assert.deepEqual(
      (await sessions.list('ada', createdAt)).map(({ secretHash }) => secretHash),
      ['b'],
    );
  });

  test(`${name}: accounts of people whom providers know`, async (t) => {
    const { accounts, linkedAccounts, sessions } = await withAda(t);
    const eve = { issuer: 'https://id.example', subject: 'eve' };
    await assert.rejects(linkedAccounts.create(eve, 'ada'), AccountExistsError);
    assert.equal(await linkedAccounts.find(eve), undefined);
    assert.equal(await linkedAccounts.create(eve, 'eve'), 'eve');
    assert.equal(await linkedAccounts.create(eve, 'another'), 'eve');
    assert.equal(await linkedAccounts.find(eve), 'eve');
    assert.equal(await linkedAccounts.find({ ...eve, issuer: 'https://other.example' }), undefined);
    assert.deepEqual({ ...(await accounts.find('eve')), createdAt }, account('eve'));
    await sessions.create({
      secretHash: 'a',
      account: 'eve',
      provider: 'work',
      client: 'Browser/1.0',
      address: '127.0.0.1',
      createdAt,
      expiresAt: later,
    });
    await accounts.remove('eve');
    assert.equal(await linkedAccounts.find(eve), undefined);
    assert.equal(await sessions.find('a'), undefined);
  });

  test(`${name}: terminals that wait keep nobody else from waiting`, async (t) => {
    const { deviceLogins } = await withAda(t);
    const most = { inAll: 6, ofNetwork: 4 };
    let begun = 0;
    const begin = async (network: string) => {
      begun += 1;
      const deviceHash = `${begun}`;
      const userCodeHash = `code of ${begun}`;
      const expiresAt = new Date(later.getTime() + begun);
      const login = { deviceHash, userCodeHash, client: 'x', network, denied: false, expiresAt };
      await deviceLogins.create(login, createdAt, most);
    };
    const there = async () => {
      const found: number[] = [];
      for (let name = 1; name <= begun; name += 1)
        if ((await deviceLogins.find(`${name}`)) !== undefined) found.push(name);
      return found;
    };
    await begin('home');
    await deviceLogins.confirm('code of 1', 'ada', createdAt);
    for (let turn = 0; turn < 6; turn += 1) await begin('attacker');
    assert.deepEqual(await there(), [1, 4, 5, 6, 7], 'the oldest of the same network go');
    for (let turn = 0; turn < 3; turn += 1) await begin('other');
    assert.deepEqual(await there(), [1, 5, 6, 7, 8, 9, 10], 'then those of the network with the most');
    await begin('home');
    assert.equal(await deviceLogins.confirm('code of 11', 'ada', createdAt), true);
    assert.ok((await there()).includes(1), 'one that was answered stays');
  });

  test(`${name}: logins of terminals are answered once, in time`, async (t) => {
    const { accounts, deviceLogins } = await withAda(t);
    const waiting = (deviceHash: string, expiresAt = later) => ({
      deviceHash,
      userCodeHash: `code of ${deviceHash}`,
      client: 'laptop',
      network: '192.0.2.1',
      denied: false,
      expiresAt,
    });
    const soon = new Date(createdAt.getTime() + 1);
    const most = { inAll: 10, ofNetwork: 10 };
    for (const name of ['a', 'b']) await deviceLogins.create(waiting(name), createdAt, most);
    await deviceLogins.create(waiting('old', soon), createdAt, most);
    assert.deepEqual(await deviceLogins.findByUserCode('code of a'), waiting('a'));
    assert.equal(await deviceLogins.confirm('code of old', 'ada', soon), false);
    await deviceLogins.create(waiting('d'), new Date(soon.getTime() + 1), most);
    assert.equal(await deviceLogins.find('old'), undefined);
    const confirmed = await Promise.all(
      ['ada', 'root'].map((name) => deviceLogins.confirm('code of a', name, createdAt)),
    );
    assert.deepEqual(confirmed.toSorted(), [false, true]);
    assert.equal(await deviceLogins.findByUserCode('code of a'), undefined);
    assert.equal(await deviceLogins.deny('code of a', createdAt), false);
    assert.equal(await deviceLogins.deny('code of b', createdAt), true);
    assert.deepEqual(await deviceLogins.find('b'), { ...waiting('b'), denied: true });
    const taken = await Promise.all([deviceLogins.take('a'), deviceLogins.take('a')]);
    assert.deepEqual(taken.toSorted(), [false, true]);
    await deviceLogins.confirm('code of d', 'ada', createdAt);
    await accounts.remove('ada');
    assert.equal(await deviceLogins.find('d'), undefined);
  });
}
